# gibson_fuzzer(NAME SOURCES...): a fuzz target of the client. With GIBSON_FUZZ (clang) libFuzzer runs
# it, else replay_corpus.c over files; both ways its seeds are the test fuzz_NAME.
option(GIBSON_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)

set(fuzz_seeds "${CMAKE_CURRENT_BINARY_DIR}/seeds")
add_executable(write_seeds fuzz/write_seeds.c)
target_link_libraries(write_seeds PRIVATE gibson_test_support)
gibson_warnings(write_seeds)
add_test(NAME write_seeds COMMAND write_seeds "${fuzz_seeds}")
set_tests_properties(write_seeds PROPERTIES LABELS fuzz FIXTURES_SETUP fuzz_seeds)

add_custom_target(fuzzers DEPENDS write_seeds)

function(gibson_fuzzer name)
    add_executable(fuzz_${name} ${ARGN})
    target_link_libraries(fuzz_${name} PRIVATE gibson_test_support)
    gibson_warnings(fuzz_${name})
    if(GIBSON_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set(arguments -runs=0)
    else()
        target_sources(fuzz_${name} PRIVATE fuzz/replay_corpus.c)
        set(arguments)
    endif()
    add_dependencies(fuzzers fuzz_${name})
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${arguments} "${fuzz_seeds}/${name}")
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz FIXTURES_REQUIRED fuzz_seeds
                                                       TIMEOUT 60)
endfunction()

gibson_fuzzer(reply fuzz/fuzz_reply.c)
gibson_fuzzer(session fuzz/fuzz_session.c)
