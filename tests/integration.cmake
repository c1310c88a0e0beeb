# The tests of the library against gibson-server. Included by tests/CMakeLists.txt.

gibson_test(integration/client_conformance_test.c gibson_test_server gibson_transcripts gibson_static)
target_compile_definitions(
    client_conformance_test
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")

gibson_async_test(integration/client_conformance_test.c gibson_test_server gibson_transcripts)
target_compile_definitions(
    client_conformance_test.async
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")

gibson_test(integration/cluster_test.c gibson_test_server gibson_test_support)

foreach(test IN ITEMS cluster_process_test pool_server_test)
    gibson_test(integration/${test}.c gibson_test_server gibson_test_support)
    target_sources(${test} PRIVATE support/server_program.c)
    target_compile_definitions(${test} PRIVATE "GIBSON_SERVER=\"$<TARGET_FILE:gibson-server>\"")
    add_dependencies(${test} gibson-server)
endforeach()

if(GIBSON_BUILD_EXAMPLES)
    gibson_test(integration/examples_test.c gibson_test_server)
    set(examples)
    foreach(loop IN LISTS GIBSON_LOOPS)
        list(APPEND examples "\"$<TARGET_FILE:example_async_${loop}>\"")
        add_dependencies(examples_test example_async_${loop})
    endforeach()
    list(JOIN examples "," examples)
    add_dependencies(examples_test example_cluster example_pool)
    target_compile_definitions(
        examples_test
        PRIVATE "EXAMPLES=${examples}" "CLUSTER=\"$<TARGET_FILE:example_cluster>\""
                "POOL=\"$<TARGET_FILE:example_pool>\"")
endif()
