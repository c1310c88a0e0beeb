# The random walk over the public functions of the client. Included by tests/CMakeLists.txt.

add_library(
    gibson_walk STATIC
    model/space.c
    walk/choices.c
    walk/judge.c
    walk/kept.c
    walk/limits.c
    walk/link.c
    walk/note.c
    walk/recorder.c
    walk/request.c
    walk/rules.c
    walk/steps_client.c
    walk/steps_pipeline.c
    walk/steps_single.c
    walk/typed.c
    walk/walk.c
    walk/world.c)
target_link_libraries(gibson_walk PUBLIC gibson_test_server gibson_test_support)
target_include_directories(gibson_walk PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/walk")
gibson_warnings(gibson_walk)

gibson_test_program(walk/walk_test.c gibson_walk)
foreach(world IN ITEMS recorder server)
    add_test(NAME walk_test.${world} COMMAND walk_test)
    gibson_label(walk walk_test.${world})
    set_tests_properties(walk_test.${world} PROPERTIES ENVIRONMENT "GIBSON_TEST=*_${world}_*")
endforeach()

gibson_server_fuzz(walk "${corpus}/walk")
target_link_libraries(fuzz_walk PRIVATE gibson_walk)
gibson_server_fuzz(async "${corpus}/async")
target_link_libraries(fuzz_async PRIVATE gibson_async_walk)
if(GIBSON_FUZZ)
    foreach(target gibson_walk gibson_async_walk)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endforeach()
endif()
