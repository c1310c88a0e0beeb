# The tests of gibson-proxy. Included by tests/CMakeLists.txt.

# gibson_proxy_test(path): a test named after its file.
function(gibson_proxy_test source)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(test_${name} ${source})
    target_link_libraries(test_${name} PRIVATE gibson_proxy gibson_test_support)
    gibson_warnings(test_${name})
    add_test(NAME ${name} COMMAND test_${name})
endfunction()

gibson_proxy_test(unit/proxy_fault_test.c)
gibson_proxy_test(fault/proxy_test.c)
add_test(NAME proxy_program_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/fault/proxy_program_test.sh"
                                         "$<TARGET_FILE:gibson-proxy>")
