# The tests of the server. Included by tests/CMakeLists.txt.

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

foreach(module IN ITEMS config connection docs eviction heap holders large listener log slow_log stats store
                        tree wire)
    gibson_test(unit/server_${module}_test.c gibson_test_server)
endforeach()
target_sources(server_config_test PRIVATE "${PROJECT_SOURCE_DIR}/server/program/options.c")
target_compile_definitions(server_docs_test PRIVATE "SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")

foreach(module IN ITEMS eyes limits listeners room slices stream)
    gibson_test(integration/server_${module}_test.c gibson_test_server)
endforeach()
foreach(module IN ITEMS activation fair process signals)
    gibson_test(integration/server_${module}_test.c gibson_test_server)
    target_sources(server_${module}_test PRIVATE support/server_program.c)
    target_compile_definitions(server_${module}_test
                               PRIVATE "GIBSON_SERVER=\"$<TARGET_FILE:gibson-server>\"")
    add_dependencies(server_${module}_test gibson-server)
endforeach()
# The same where systemd does it.
add_test(NAME server_activation_test.systemd COMMAND server_activation_test)
gibson_label(integration server_activation_test.systemd)
set_tests_properties(server_activation_test.systemd PROPERTIES ENVIRONMENT GIBSON_TEST=*by_systemd
                                                               SKIP_RETURN_CODE 77)
gibson_test(integration/server_conformance_test.c gibson_test_server gibson_transcripts)
target_compile_definitions(
    server_conformance_test
    PRIVATE "TRANSCRIPTS=\"${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl\"")

# Many slices and slow readers: ThreadSanitizer takes long over them.
set_tests_properties(server_slices_test server_stream_test PROPERTIES TIMEOUT 400)

include(fuzz/server.cmake)

# Every allocation fails once. libFuzzer would bring a main of its own.
if(NOT GIBSON_FUZZ)
    gibson_test_program(fault/server_allocations_test.c gibson_test_server)
    target_sources(server_allocations_test PRIVATE fuzz/fuzz_server_requests.c)
    target_link_options(server_allocations_test PRIVATE
                        LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=gibs_heap_allocate)
    add_test(NAME server_allocations_test
             COMMAND server_allocations_test "${corpus}/server_requests/mixed"
                     "${seeds}/minc_mdec-0" "${seeds}/compression_is_invisible-0"
                     "${seeds}/stats-0" "${seeds}/mset-0" "${seeds}/mdel-0" "${seeds}/mlock-3")
    gibson_label(fault server_allocations_test)
endif()

if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(NAME server_install_test
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/server_install_test.sh" "${PROJECT_BINARY_DIR}"
                     "${PROJECT_SOURCE_DIR}" "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}")
    add_test(NAME systemd_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/systemd_test.sh"
                                       "${PROJECT_BINARY_DIR}")
    gibson_label(package server_install_test systemd_test)
    set_tests_properties(systemd_test PROPERTIES SKIP_RETURN_CODE 77)
endif()
