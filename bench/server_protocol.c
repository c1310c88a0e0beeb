#include "server_protocol.h"

#include <stdio.h>
#include <string.h>

#include <gibson/command.h>

#include "wire/frame.h"

static const char *before = "app:user:";
static const char *behind = ":field";
static size_t value_size = 100;

void shape_items(const char *before_number, const char *behind_number, size_t bytes_of_value)
{
    before = before_number;
    behind = behind_number;
    value_size = bytes_of_value;
}

size_t write_key(char *to, unsigned number)
{
    return (size_t)sprintf(to, "%s%u%s", before, number, behind);
}

static size_t write_group(char *to, unsigned number)
{
    return (size_t)sprintf(to, "%s%u", before, number);
}

/* The number of a member of the group of a number. */
static unsigned member(unsigned number, unsigned index)
{
    return index == 0 ? number : number * 10 + index - 1;
}

static size_t write_value(char *to)
{
    memset(to, 'v', value_size);
    return value_size;
}

static size_t gibson_frame(char *to, gibson_opcode opcode, size_t payload)
{
    gib_store_u32((uint8_t *)to, (uint32_t)(GIB_OPCODE_FIELD + payload));
    gib_store_u16((uint8_t *)to + GIB_SIZE_FIELD, (uint16_t)opcode);
    return GIB_REQUEST_HEADER + payload;
}

static size_t gibson_request_of(operation what, unsigned number, char *to, size_t *reply)
{
    char *payload = to + GIB_REQUEST_HEADER;
    char key[64];
    size_t size = 0;
    *reply = GIB_REPLY_HEADER;
    switch (what) {
    case OPERATION_SET:
        memcpy(payload, "0 ", 2);
        size = 2 + write_key(payload + 2, number);
        payload[size++] = ' ';
        size += write_value(payload + size);
        *reply += value_size;
        return gibson_frame(to, GIBSON_OP_SET, size);
    case OPERATION_GET:
        *reply += value_size;
        return gibson_frame(to, GIBSON_OP_GET, write_key(payload, number));
    case OPERATION_MGET:
        *reply += GIB_ITEM_COUNT_FIELD;
        for (unsigned i = 0; i < GROUP_SIZE; i++) {
            *reply += GIB_SMALLEST_ITEM + write_key(key, member(number, i)) + value_size;
        }
        return gibson_frame(to, GIBSON_OP_MGET, write_group(payload, number));
    default:
        *reply += sizeof(int64_t);
        return gibson_frame(to, GIBSON_OP_MDEL, write_group(payload, number));
    }
}

static size_t redis_argument(char *to, const char *bytes, size_t size)
{
    size_t written = (size_t)sprintf(to, "$%zu\r\n", size);
    memcpy(to + written, bytes, size);
    memcpy(to + written + size, "\r\n", 2);
    return written + size + 2;
}

static size_t redis_command(char *to, unsigned arguments, const char *name)
{
    size_t size = (size_t)sprintf(to, "*%u\r\n", arguments);
    return size + redis_argument(to + size, name, strlen(name));
}

static size_t redis_key(char *to, unsigned number)
{
    char key[64];
    size_t size = write_key(key, number);
    return redis_argument(to, key, size);
}

static size_t redis_request_of(operation what, unsigned number, char *to, size_t *reply)
{
    char value[LARGEST_VALUE];
    size_t size = (size_t)sprintf(value, "$%zu\r\n\r\n", value_size);
    size_t bulk = size + value_size;
    switch (what) {
    case OPERATION_SET:
        size = redis_command(to, 3, "SET");
        size += redis_key(to + size, number);
        *reply = strlen("+OK\r\n");
        return size + redis_argument(to + size, value, write_value(value));
    case OPERATION_GET:
        size = redis_command(to, 2, "GET");
        *reply = bulk;
        return size + redis_key(to + size, number);
    default:
        size = redis_command(to, GROUP_SIZE + 1, what == OPERATION_MGET ? "MGET" : "DEL");
        for (unsigned i = 0; i < GROUP_SIZE; i++) {
            size += redis_key(to + size, member(number, i));
        }
        *reply = what == OPERATION_MGET ? strlen("*11\r\n") + GROUP_SIZE * bulk : strlen(":11\r\n");
        return size;
    }
}

/* The size of "VALUE key 0 100", the value, and two line ends. */
static size_t memcached_item(unsigned number)
{
    char key[64];
    char size[64];
    return (size_t)sprintf(size, "VALUE  0 %zu\r\n\r\n", value_size) + write_key(key, number) +
           value_size;
}

static size_t memcached_request_of(operation what, unsigned number, char *to, size_t *reply)
{
    char key[64];
    size_t size = 0;
    *reply = 0;
    switch (what) {
    case OPERATION_SET:
        write_key(key, number);
        size = (size_t)sprintf(to, "set %s 0 0 %zu\r\n", key, value_size);
        size += write_value(to + size);
        *reply = strlen("STORED\r\n");
        return size + (size_t)sprintf(to + size, "\r\n");
    case OPERATION_GET:
        write_key(key, number);
        *reply = memcached_item(number) + strlen("END\r\n");
        return (size_t)sprintf(to, "get %s\r\n", key);
    case OPERATION_MGET:
        size = (size_t)sprintf(to, "get");
        for (unsigned i = 0; i < GROUP_SIZE; i++) {
            to[size++] = ' ';
            size += write_key(to + size, member(number, i));
            *reply += memcached_item(member(number, i));
        }
        *reply += strlen("END\r\n");
        return size + (size_t)sprintf(to + size, "\r\n");
    default:
        for (unsigned i = 0; i < GROUP_SIZE; i++) {
            write_key(key, member(number, i));
            size += (size_t)sprintf(to + size, "delete %s\r\n", key);
            *reply += strlen("DELETED\r\n");
        }
        return size;
    }
}

static const protocol protocols[] = {
    {"gibson", gibson_request_of, "\1\0\0\1\0\0\0\0", 8},
    {"redis", redis_request_of, "$-1\r\n", 5},
    {"valkey", redis_request_of, "$-1\r\n", 5},
    {"memcached", memcached_request_of, "END\r\n", 5},
};

const protocol *protocol_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (!strcmp(protocols[i].name, name)) {
            return &protocols[i];
        }
    }
    return NULL;
}
