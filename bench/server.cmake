# Benchmarks of the server. Included by bench/CMakeLists.txt. See docs/benchmarks-server.md.

if(GIBSON_BUILD_SERVER)
    # gibson_server_bench(name libraries...)
    function(gibson_server_bench name)
        add_executable(${name} ${name}.c server_client.c server_protocol.c)
        target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/lib")
        target_link_libraries(${name} PRIVATE gibson_server ${ARGN})
        target_link_options(${name} PRIVATE ${GIBSON_LTO_FLAGS})
        gibson_warnings(${name})
    endfunction()

    gibson_server_bench(server_load)
    find_package(Threads REQUIRED)
    gibson_server_bench(server_wait Threads::Threads)
    gibson_server_bench(server_fair Threads::Threads)
    find_library(MATH_LIBRARY m REQUIRED)
    gibson_server_bench(hit_ratio "${MATH_LIBRARY}")
    gibson_server_bench(server_stall)
    target_include_directories(server_stall PRIVATE "${PROJECT_SOURCE_DIR}/server"
                                                    "${PROJECT_SOURCE_DIR}/lib")

    # Only the comparison with Redis needs its client library.
    find_package(PkgConfig)
    if(PkgConfig_FOUND)
        pkg_check_modules(HIREDIS IMPORTED_TARGET hiredis)
    endif()
    if(HIREDIS_FOUND)
        gibson_server_bench(server_subtree PkgConfig::HIREDIS)
    endif()
endif()
