#include "proxy/flow.h"

#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000 };

bool gibp_flow_init(gibp_flow *flow)
{
    memset(flow, 0, sizeof *flow);
    flow->dribble_ns = -1;
    flow->held_ns = GIBP_FLOW_NEVER;
    flow->data = malloc(GIBP_FLOW_CAPACITY);
    return flow->data != NULL;
}

void gibp_flow_clear(gibp_flow *flow)
{
    free(flow->data);
    flow->data = NULL;
}

bool gibp_flow_add(gibp_flow *flow, const gibp_fault *fault)
{
    if (flow->fault_count == GIBP_FLOW_FAULTS) {
        return false;
    }
    gibp_fault added = *fault;
    added.at = fault->at > UINT64_MAX - flow->passed ? UINT64_MAX : flow->passed + fault->at;
    size_t place = flow->fault_count;
    while (place && flow->faults[place - 1].at > added.at) {
        place--;
    }
    memmove(flow->faults + place + 1, flow->faults + place,
            (flow->fault_count - place) * sizeof *flow->faults);
    flow->faults[place] = added;
    flow->fault_count++;
    return true;
}

void gibp_flow_heal(gibp_flow *flow)
{
    flow->fault_count = 0;
    flow->delay_ns = 0;
    flow->dribble_ns = -1;
    flow->black_hole = false;
    gibp_flow_release(flow);
}

void gibp_flow_release(gibp_flow *flow)
{
    flow->holding = false;
    flow->held_ns = GIBP_FLOW_NEVER;
}

uint8_t *gibp_flow_room(gibp_flow *flow, size_t *size)
{
    if (flow->begin && flow->end == GIBP_FLOW_CAPACITY) {
        memmove(flow->data, flow->data + flow->begin, flow->end - flow->begin);
        for (size_t i = 0; i < flow->arrival_count; i++) {
            flow->arrivals[i].end -= flow->begin;
        }
        flow->end -= flow->begin;
        flow->begin = 0;
    }
    *size = flow->arrival_count < GIBP_FLOW_ARRIVALS ? GIBP_FLOW_CAPACITY - flow->end : 0;
    return flow->data + flow->end;
}

void gibp_flow_received(gibp_flow *flow, size_t size, int64_t now_ns)
{
    flow->end += size;
    flow->arrivals[flow->arrival_count++] = (struct arrival){now_ns, flow->end};
}

/* Changes the first byte that waits. False if there is none yet. */
static bool corrupt(gibp_flow *flow, uint8_t mask)
{
    if (gibp_flow_empty(flow)) {
        return false;
    }
    flow->data[flow->begin] ^= mask;
    return true;
}

/* Does what a fault asks for. False if that has to wait for a byte. */
static bool strike(gibp_flow *flow, const gibp_fault *fault)
{
    switch (fault->kind) {
    case GIBP_FAULT_DELAY:
        flow->delay_ns = fault->ms * NS_PER_MS;
        break;
    case GIBP_FAULT_DRIBBLE:
        flow->dribble_ns = fault->ms * NS_PER_MS;
        break;
    case GIBP_FAULT_HOLD:
        flow->holding = true;
        flow->hold_ns = fault->ms * NS_PER_MS;
        break;
    case GIBP_FAULT_BLACK_HOLE:
        flow->black_hole = true;
        break;
    case GIBP_FAULT_CORRUPT:
        return corrupt(flow, fault->mask);
    case GIBP_FAULT_CUT:
        flow->ending = GIBP_ENDING_CUT;
        break;
    case GIBP_FAULT_RESET:
        flow->ending = GIBP_ENDING_RESET;
        break;
    case GIBP_FAULT_HALF_CLOSE:
        flow->ending = GIBP_ENDING_HALF_CLOSE;
        break;
    }
    return true;
}

static void strike_due(gibp_flow *flow)
{
    while (flow->fault_count && flow->faults[0].at <= flow->passed && !flow->ending &&
           strike(flow, &flow->faults[0])) {
        flow->struck++;
        flow->fault_count--;
        memmove(flow->faults, flow->faults + 1, flow->fault_count * sizeof *flow->faults);
    }
}

static void drop_arrivals(gibp_flow *flow)
{
    size_t gone = 0;
    while (gone < flow->arrival_count && flow->arrivals[gone].end <= flow->begin) {
        gone++;
    }
    flow->arrival_count -= gone;
    memmove(flow->arrivals, flow->arrivals + gone, flow->arrival_count * sizeof *flow->arrivals);
    if (gibp_flow_empty(flow)) {
        flow->begin = flow->end = 0;
    }
}

static void swallow(gibp_flow *flow)
{
    flow->begin = flow->end;
    drop_arrivals(flow);
}

/* Tells whether bytes are kept back, and when that ends. */
static bool held_back(gibp_flow *flow, int64_t now_ns, int64_t *wake_ns)
{
    if (!flow->holding) {
        return false;
    }
    if (flow->held_ns == GIBP_FLOW_NEVER) {
        flow->held_ns = now_ns;
    }
    if (flow->hold_ns && now_ns >= flow->held_ns + flow->hold_ns) {
        gibp_flow_release(flow);
        return false;
    }
    *wake_ns = flow->hold_ns ? flow->held_ns + flow->hold_ns : GIBP_FLOW_NEVER;
    return true;
}

/* How many of the bytes that wait have waited long enough. */
static size_t arrived(const gibp_flow *flow, int64_t now_ns, int64_t *wake_ns)
{
    size_t end = flow->begin;
    for (size_t i = 0; i < flow->arrival_count; i++) {
        int64_t due_ns = flow->arrivals[i].when_ns + flow->delay_ns;
        if (due_ns > now_ns) {
            *wake_ns = due_ns;
            break;
        }
        end = flow->arrivals[i].end;
    }
    return end - flow->begin;
}

size_t gibp_flow_ready(gibp_flow *flow, int64_t now_ns, int64_t *wake_ns)
{
    *wake_ns = GIBP_FLOW_NEVER;
    strike_due(flow);
    if (flow->black_hole) {
        swallow(flow);
    }
    if (flow->ending || gibp_flow_empty(flow) || held_back(flow, now_ns, wake_ns)) {
        return 0;
    }
    size_t size = arrived(flow, now_ns, wake_ns);
    if (size && flow->dribble_ns >= 0) {
        if (now_ns < flow->next_byte_ns) {
            *wake_ns = flow->next_byte_ns;
            return 0;
        }
        size = 1;
    }
    if (flow->fault_count && flow->faults[0].at - flow->passed < size) {
        size = (size_t)(flow->faults[0].at - flow->passed);
    }
    return size;
}

void gibp_flow_passed(gibp_flow *flow, size_t size, int64_t now_ns)
{
    flow->begin += size;
    flow->passed += size;
    if (size && flow->dribble_ns >= 0) {
        flow->next_byte_ns = now_ns + flow->dribble_ns;
    }
    drop_arrivals(flow);
}
