# The tests of gibson-proxy, and those that use it. Included by tests/CMakeLists.txt.

gibson_server_test(unit/proxy_fault_test.c gibson_proxy)
gibson_server_test(fault/proxy_test.c gibson_proxy gibson_test_support)
add_test(NAME proxy_program_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/fault/proxy_program_test.sh"
                                         "$<TARGET_FILE:gibson-proxy>")

gibson_server_test(model/model_test.c gibson_proxy gibson_test_support)
target_sources(
    test_model_test
    PRIVATE model/choice.c
            model/space.c
            model/worker.c
            model/worker_judge.c
            model/worker_pipeline.c
            model/worker_refused.c
            model/worker_settle.c
            model/worker_single.c
            model/worlds.c)

# Many cases, of which some wait: one test for each direction, so that they run side by side.
add_executable(test_every_byte fault/every_byte_test.c fault/exchange.c)
target_link_libraries(test_every_byte PRIVATE gibson_test_server gibson_proxy gibson_test_support
                                              PkgConfig::CHECK)
gibson_warnings(test_every_byte)
foreach(direction IN ITEMS replies requests)
    add_test(NAME every_byte_${direction} COMMAND test_every_byte)
    set_tests_properties(every_byte_${direction} PROPERTIES ENVIRONMENT CK_RUN_CASE=${direction})
endforeach()
