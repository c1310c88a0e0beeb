# The tests of the server. Included by tests/CMakeLists.txt.

find_package(PkgConfig REQUIRED)
pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

# A server in a thread, bytes on a socket, and the recordings of the reference server.
add_library(gibson_test_server STATIC support/raw_client.c support/test_server.c)
target_include_directories(
    gibson_test_server PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/support" "${PROJECT_SOURCE_DIR}/server"
                              "${PROJECT_SOURCE_DIR}/lib")
target_link_libraries(gibson_test_server PUBLIC gibson_server)
gibson_warnings(gibson_test_server)

add_library(gibson_transcripts STATIC support/transcript.c support/transcript_compare.c)
target_include_directories(
    gibson_transcripts PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/support"
    PRIVATE "${PROJECT_SOURCE_DIR}/lib" "${PROJECT_SOURCE_DIR}/include"
            "${PROJECT_BINARY_DIR}/include")
target_link_libraries(gibson_transcripts PRIVATE PkgConfig::JANSSON)
gibson_warnings(gibson_transcripts)

# gibson_server_test(path): a test named after its file.
function(gibson_server_test source)
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(folder "${source}" DIRECTORY)
    add_executable(test_${name} ${source})
    target_link_libraries(test_${name} PRIVATE gibson_test_server PkgConfig::CHECK ${ARGN})
    gibson_warnings(test_${name})
    add_test(NAME ${name} COMMAND test_${name})
    set_tests_properties(${name} PROPERTIES LABELS ${folder})
endfunction()

gibson_server_test(unit/server_config.c)
target_sources(test_server_config PRIVATE "${PROJECT_SOURCE_DIR}/server/program/options.c")
gibson_server_test(unit/server_connection.c)
gibson_server_test(unit/server_docs.c)
target_compile_definitions(test_server_docs PRIVATE "SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
gibson_server_test(unit/server_listener.c)
gibson_server_test(unit/server_log.c)
gibson_server_test(unit/server_slow_log.c)
gibson_server_test(unit/server_stats.c)
gibson_server_test(unit/server_store.c)
gibson_server_test(unit/server_tree.c)
gibson_server_test(unit/server_wire.c)

gibson_server_test(integration/server_eyes.c)
gibson_server_test(integration/server_limits.c)
gibson_server_test(integration/server_listeners.c)
gibson_server_test(integration/server_slices.c)
gibson_server_test(integration/server_stream.c)
foreach(name IN ITEMS server_activation server_process server_signals)
    gibson_server_test(integration/${name}.c)
    target_sources(test_${name} PRIVATE support/server_program.c)
    target_compile_definitions(test_${name}
                               PRIVATE "GIBSON_SERVER=\"$<TARGET_FILE:gibson-server>\"")
    add_dependencies(test_${name} gibson-server)
endforeach()
# The same where systemd does it.
add_test(NAME server_activation_systemd COMMAND test_server_activation)
set_tests_properties(server_activation_systemd PROPERTIES LABELS integration ENVIRONMENT
                     CK_RUN_CASE=systemd SKIP_RETURN_CODE 77)
gibson_server_test(integration/server_conformance.c gibson_transcripts)
target_compile_definitions(
    test_server_conformance
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")

# Many slices and slow readers: ThreadSanitizer takes long over them.
set_tests_properties(server_slices server_stream PROPERTIES TIMEOUT 400)

include(fuzz/server.cmake)

# Every allocation fails once. libFuzzer would bring a main of its own.
if(NOT GIBSON_FUZZ)
    add_executable(fault_server_allocations fault/server_allocations.c fuzz/fuzz_server_requests.c)
    target_link_libraries(fault_server_allocations PRIVATE gibson_test_server)
    target_link_options(fault_server_allocations PRIVATE
                        LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc)
    gibson_warnings(fault_server_allocations)
    add_test(NAME fault_server_allocations
             COMMAND fault_server_allocations "${corpus}/server_requests/mixed"
                     "${seeds}/minc_mdec-0" "${seeds}/compression_is_invisible-0"
                     "${seeds}/stats-0" "${seeds}/mset-0" "${seeds}/mdel-0" "${seeds}/mlock-3")
    set_tests_properties(fault_server_allocations PROPERTIES LABELS fault)
endif()

if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(NAME package_server
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/server_test.sh" "${PROJECT_BINARY_DIR}"
                     "${PROJECT_SOURCE_DIR}" "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}")
    set_tests_properties(package_server PROPERTIES LABELS package)
    add_test(NAME package_systemd COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/systemd_test.sh"
                                          "${PROJECT_BINARY_DIR}")
    set_tests_properties(package_systemd PROPERTIES LABELS package SKIP_RETURN_CODE 77)
endif()
