/* Replays what was recorded from the reference server, byte for byte, against gibson-server. */
#include <unistd.h>

#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "transcript.h"

static transcripts recorded;

static void replay_step(test_server *server, int descriptor, const char *scenario, size_t index,
                        const transcript_step *step)
{
    if (step->sleep_ms) {
        test_server_pass_time(server, step->sleep_ms);
        return;
    }
    bool sent = raw_send_request(descriptor, step->opcode, step->payload, step->payload_size);
    raw_reply reply = sent ? raw_read_reply(descriptor) : (raw_reply){.closed = true};
    if (step->closed) {
        ck_assert_msg(reply.closed, "%s, step %zu: not closed", scenario, index);
    } else {
        ck_assert_msg(!reply.closed, "%s, step %zu: closed", scenario, index);
        ck_assert_msg(
            transcript_reply_matches(step, reply.code, reply.encoding, reply.data, reply.size),
            "%s, step %zu: code %u, encoding %u, size %u", scenario, index, (unsigned)reply.code,
            (unsigned)reply.encoding, (unsigned)reply.size);
    }
    raw_reply_free(&reply);
}

/* The recordings hold a value that was truncated, which only `compat` does: see server_limits_test
   for what is done without. */
static void replay(const transcript *scenario, test_transport transport, const char *use_poll)
{
    const char *directives[32] = {"compat", "1", "use_poll", use_poll};
    size_t count = 4;
    for (size_t i = 0; transcript_directives[i]; i++) {
        directives[count++] = transcript_directives[i];
    }
    test_server server;
    test_server_start(&server, transport, directives);
    int descriptor = test_server_connect(&server);
    for (size_t i = 0; i < scenario->count; i++) {
        replay_step(&server, descriptor, scenario->scenario, i, &scenario->steps[i]);
    }
    close(descriptor);
    test_server_stop(&server);
}

START_TEST(conformance_tcp_epoll)
{
    replay(&recorded.all[_i], TEST_TCP, "0");
}
END_TEST

START_TEST(conformance_tcp_poll)
{
    replay(&recorded.all[_i], TEST_TCP, "1");
}
END_TEST

START_TEST(conformance_unix_epoll)
{
    replay(&recorded.all[_i], TEST_UNIX, "0");
}
END_TEST

START_TEST(conformance_unix_poll)
{
    replay(&recorded.all[_i], TEST_UNIX, "1");
}
END_TEST

int main(void)
{
    transcripts_load(&recorded, TRANSCRIPTS);
    const suite_part parts[] = {
        {.runs = (int)recorded.count,
         TESTS(conformance_tcp_epoll, conformance_tcp_poll, conformance_unix_epoll,
               conformance_unix_poll)},
    };
    int code = suite_run("server_conformance", 1, parts, COUNT_OF(parts));
    transcripts_free(&recorded);
    return code;
}
