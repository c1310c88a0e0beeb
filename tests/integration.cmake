# The tests of the library against gibson-server. Included by tests/CMakeLists.txt.

gibson_server_test(integration/client_conformance.c gibson_transcripts gibson_static)
target_compile_definitions(
    test_client_conformance
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")
