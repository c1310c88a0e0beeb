# Tests of the blocking client that are asked of the asynchronous one, too, through
# support/async_client.c: NAME_test.async. Included by tests/CMakeLists.txt.

# gibson_async_program(FOLDER/NAME_test.c LIBRARIES...): the program NAME_test.async, without a test.
function(gibson_async_program source)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name}.async ${source} support/async_client.c)
    target_link_libraries(${name}.async PRIVATE ${ARGN} gibson_test_support)
    gibson_warnings(${name}.async)
endfunction()

# gibson_async_test(FOLDER/NAME_test.c LIBRARIES...): the same, as a test.
function(gibson_async_test source)
    gibson_async_program(${source} ${ARGN})
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(folder "${source}" DIRECTORY)
    add_test(NAME ${name}.async COMMAND ${name}.async)
    gibson_label(${folder} ${name}.async)
    file(READ "${CMAKE_CURRENT_SOURCE_DIR}/${source}" text)
    set(patterns)
    foreach(test IN LISTS left_out)
        if(text MATCHES "START_TEST.${test}.")
            list(APPEND patterns "-${test}")
        endif()
    endforeach()
    list(JOIN patterns ":" patterns)
    set_tests_properties(${name}.async PROPERTIES ENVIRONMENT "GIBSON_TEST=${patterns}")
endfunction()

# What is left out, because the asynchronous client is documented (async.h) to be different:
# - `interrupt`: it does not wait, so options.interrupt is not asked.
# - `retry`: of options.retry_repeatable no use is made.
# - `reads`: replies are read when they come, not when they are asked for, so there is room again.
# - `flush`: it has no deadline of its own, requests have.
# - `alike`: all requests that are lost with a connection are told the same reason.
# - `holds`: a request with a long time is accepted, and waits itself for the limit of the server.
# - `socket`: its socket does not block.
set(interrupt
    connect_dead_address_can_be_interrupted
    connect_dns_that_hangs_can_be_interrupted
    connect_unix_with_full_backlog_can_be_interrupted
    interrupt_by_a_signal_ends_a_wait_at_once
    interrupt_callback_that_returns_0_changes_nothing
    interrupt_without_a_signal_ends_a_wait_soon)
set(retry
    cut_at_every_byte_with_retry_never_repeats_a_write
    repeated_request_is_repeated_once
    repeated_request_keeps_the_deadline_of_the_first
    request_made_of_a_reply_is_not_repeated_when_that_has_moved
    request_made_of_a_reply_is_repeated_while_nothing_came)
set(reads queue_past_the_window_would_block)
set(flush flush_to_a_peer_that_never_reads_times_out)
set(alike
    pipeline_that_breaks_gives_each_request_one_reply
    pipeline_with_a_malformed_reply_is_never_resynchronised
    stray_reply_before_a_batch_is_sent_is_not_its_answer
    stray_reply_behind_unread_ones_does_not_answer_what_is_queued_later)
set(holds long_time_in_a_pipeline_waits_until_the_server_can_be_asked)
set(socket connect_sets_socket_options_each_time)
set(left_out ${interrupt} ${retry} ${reads} ${flush} ${alike} ${holds} ${socket})

foreach(name IN ITEMS commands connect deadline malformed pipeline reconnect trust views)
    gibson_async_test(fault/client_${name}_test.c)
endforeach()
target_link_options(client_connect_test.async PRIVATE -Wl,--wrap=getaddrinfo)

# The random walk. What the library asks of the system passes through its peer.
add_library(
    gibson_async_walk STATIC
    walk/async_judge.c
    walk/async_peer.c
    walk/async_request.c
    walk/async_steps.c
    walk/async_walk.c
    walk/choices.c)
target_link_libraries(gibson_async_walk PUBLIC gibson_test_support)
target_include_directories(gibson_async_walk PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/walk"
                                                    "${CMAKE_CURRENT_SOURCE_DIR}/support")
target_link_options(gibson_async_walk INTERFACE
                    LINKER:--wrap=clock_gettime,--wrap=close,--wrap=send)
gibson_warnings(gibson_async_walk)
gibson_test(walk/async_walk_test.c gibson_async_walk)
