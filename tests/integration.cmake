# The tests of the library against gibson-server. Included by tests/CMakeLists.txt.

gibson_test(integration/client_conformance_test.c gibson_test_server gibson_transcripts gibson_static)
target_compile_definitions(
    client_conformance_test
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")
