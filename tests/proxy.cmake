# The tests of gibson-proxy, and those that use it. Included by tests/CMakeLists.txt.

# gibson_proxy_test(path): a test named after its file.
function(gibson_proxy_test source)
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(folder "${source}" DIRECTORY)
    add_executable(test_${name} ${source})
    target_include_directories(test_${name} PRIVATE support)
    target_link_libraries(test_${name} PRIVATE gibson_proxy gibson_test_support)
    gibson_warnings(test_${name})
    add_test(NAME ${name} COMMAND test_${name})
    set_tests_properties(${name} PROPERTIES LABELS ${folder})
endfunction()

gibson_proxy_test(unit/proxy_fault_test.c)
gibson_proxy_test(fault/proxy_test.c)
add_test(NAME proxy_program_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/fault/proxy_program_test.sh"
                                         "$<TARGET_FILE:gibson-proxy>")
set_tests_properties(proxy_program_test PROPERTIES LABELS fault)

# What follows is with gibson-server behind the proxy.
if(NOT GIBSON_BUILD_SERVER)
    return()
endif()

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
    set_tests_properties(every_byte_${direction} PROPERTIES LABELS fault ENVIRONMENT
                                                            CK_RUN_CASE=${direction})
endforeach()

# All three in one program.
gibson_server_test(integration/server_together.c gibson_proxy gibson_static)
if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(
        NAME package_names
        COMMAND
            "${CMAKE_CURRENT_SOURCE_DIR}/package/names_test.sh" "${PROJECT_SOURCE_DIR}"
            "$<TARGET_FILE:gibson_static>" "$<TARGET_FILE:gibson_server>"
            "$<TARGET_FILE:gibson_proxy>" "$<TARGET_OBJECTS:gibson-server>"
            "$<TARGET_OBJECTS:gibson-proxy>"
        COMMAND_EXPAND_LISTS)
    set_tests_properties(package_names PROPERTIES LABELS package)
endif()
