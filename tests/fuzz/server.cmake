# The fuzz targets of the server. With clang and GIBSON_FUZZ they are libFuzzer programs; otherwise
# they run over their corpus as tests.

add_executable(make_server_seeds fuzz/make_seeds.c)
target_link_libraries(make_server_seeds PRIVATE gibson_test_server gibson_transcripts)
gibson_warnings(make_server_seeds)

set(recordings "${CMAKE_CURRENT_SOURCE_DIR}/conformance/gibson-1.2.1.jsonl")
set(seeds "${CMAKE_CURRENT_BINARY_DIR}/server_seeds")
add_custom_command(
    OUTPUT "${seeds}/ping-0"
    COMMAND make_server_seeds "${recordings}" "${seeds}"
    DEPENDS make_server_seeds "${recordings}"
    COMMENT "Writing fuzz seeds from the recordings")
add_custom_target(server_seeds ALL DEPENDS "${seeds}/ping-0")

# gibson_server_fuzz(name corpus...)
function(gibson_server_fuzz name)
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c)
    target_link_libraries(fuzz_${name} PRIVATE gibson_test_server)
    gibson_warnings(fuzz_${name})
    if(GIBSON_FUZZ)
        target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=0 ${ARGN})
    else()
        target_sources(fuzz_${name} PRIVATE fuzz/replay_corpus.c)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${ARGN})
    endif()
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz)
endfunction()

set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus")
gibson_server_fuzz(server_requests "${corpus}/server_requests" "${seeds}")
gibson_server_fuzz(server_config "${corpus}/server_config")

# Coverage for libFuzzer has to be in the code under test as well.
if(GIBSON_FUZZ)
    foreach(target gibson_base gibson_core gibson_server)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endforeach()
endif()
