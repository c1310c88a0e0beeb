# Benchmarks of the server. Included by bench/CMakeLists.txt. See docs/benchmarks-server.md.

if(GIBSON_BUILD_SERVER)
    add_executable(server_load server_load.c server_protocol.c)
    target_include_directories(server_load PRIVATE "${PROJECT_SOURCE_DIR}/lib")
    target_link_libraries(server_load PRIVATE gibson_server)
    gibson_warnings(server_load)
endif()
