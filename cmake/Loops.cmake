# The event loops that there are adapters for: GIBSON_LOOPS are those that are here, and
# gibson_loop_NAME is what each needs. None of them is needed by the library.
set(GIBSON_LOOPS poll)
add_library(gibson_loop_poll INTERFACE)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(APPEND GIBSON_LOOPS epoll)
    add_library(gibson_loop_epoll INTERFACE)
endif()

find_package(PkgConfig)
foreach(pair IN ITEMS libuv=libuv libevent=libevent_core glib=glib-2.0)
    string(REPLACE "=" ";" pair "${pair}")
    list(GET pair 0 loop)
    list(GET pair 1 package)
    if(PKG_CONFIG_FOUND AND NOT CMAKE_CROSSCOMPILING)
        pkg_check_modules(GIBSON_LOOP_${loop} IMPORTED_TARGET ${package})
    endif()
    if(GIBSON_LOOP_${loop}_FOUND)
        list(APPEND GIBSON_LOOPS ${loop})
        add_library(gibson_loop_${loop} INTERFACE)
        # Their headers are not ours to warn about.
        target_link_libraries(gibson_loop_${loop} INTERFACE PkgConfig::GIBSON_LOOP_${loop})
    endif()
endforeach()
