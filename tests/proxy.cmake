# The tests of gibson-proxy, and those that use it. Included by tests/CMakeLists.txt.

gibson_server_test(unit/proxy_fault_test.c gibson_proxy)
gibson_server_test(fault/proxy_test.c gibson_proxy)
add_test(NAME proxy_program_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/fault/proxy_program_test.sh"
                                         "$<TARGET_FILE:gibson-proxy>")

gibson_server_test(model/model_test.c gibson_proxy gibson_static)
target_sources(test_model_test PRIVATE model/choice.c model/space.c model/worker.c model/worlds.c)
