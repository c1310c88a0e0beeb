# The tests of gibson-proxy, and those that use it. Included by tests/CMakeLists.txt.

gibson_test(unit/proxy_fault_test.c gibson_proxy gibson_test_support)
gibson_test(fault/proxy_test.c gibson_proxy gibson_test_support)
add_test(NAME proxy_program_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/fault/proxy_program_test.sh"
                                         "$<TARGET_FILE:gibson-proxy>")
gibson_label(fault proxy_program_test)

# What follows is with gibson-server behind the proxy.
if(NOT GIBSON_BUILD_SERVER)
    return()
endif()

gibson_test(model/model_test.c gibson_test_server gibson_proxy gibson_test_support)
target_sources(
    model_test
    PRIVATE model/choice.c
            model/space.c
            model/worker.c
            model/worker_judge.c
            model/worker_pipeline.c
            model/worker_refused.c
            model/worker_settle.c
            model/worker_single.c
            model/worlds.c)

# Clusters, whose servers are behind proxies.
foreach(test IN ITEMS integration/cluster_failures integration/cluster_pipeline
                      integration/cluster_threads)
    gibson_test(${test}_test.c gibson_test_server gibson_proxy gibson_test_support)
    get_filename_component(name ${test} NAME)
    target_sources(${name}_test PRIVATE support/clustered.c)
endforeach()
gibson_test(model/cluster_model_test.c gibson_test_server gibson_proxy gibson_test_support)
target_sources(cluster_model_test PRIVATE model/choice.c model/space.c model/worker_judge.c
                                          model/worker_single.c model/worlds.c)

# Many cases, of which some wait: one test for each direction, so that they run side by side.
gibson_test_program(fault/every_byte_test.c gibson_test_server gibson_proxy gibson_test_support)
gibson_async_program(fault/every_byte_test.c gibson_test_server gibson_proxy)
foreach(program IN ITEMS every_byte_test every_byte_test.async)
    target_sources(${program} PRIVATE fault/exchange.c)
    foreach(direction IN ITEMS reply request)
        add_test(NAME ${program}.${direction} COMMAND ${program})
        gibson_label(fault ${program}.${direction})
        set_tests_properties(${program}.${direction}
                             PROPERTIES ENVIRONMENT "GIBSON_TEST=every_byte_of_a_${direction}_*")
    endforeach()
endforeach()

# All three in one program.
gibson_test(integration/together_test.c gibson_test_server gibson_proxy gibson_static)
if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(
        NAME names_test
        COMMAND
            "${CMAKE_CURRENT_SOURCE_DIR}/package/names_test.sh" "${PROJECT_SOURCE_DIR}"
            "$<TARGET_FILE:gibson_static>" "$<TARGET_FILE:gibson_server>"
            "$<TARGET_FILE:gibson_proxy>" "$<TARGET_OBJECTS:gibson-server>"
            "$<TARGET_OBJECTS:gibson-proxy>"
        COMMAND_EXPAND_LISTS)
    gibson_label(package names_test)
endif()
