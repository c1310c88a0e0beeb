#include "config/peers.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LONGEST_NAME = 256,
    SMALLEST_RECORD = 1024,   /* what a lookup needs, to begin with, */
    LARGEST_RECORD = 1 << 24, /* and in the end: a group has all its members in it */
};

static const int64_t largest_id = UINT32_MAX - 1; /* -1 is no user */

/* How to find the number of a name. */
typedef gibson_status look_up(const char *name, char *room, size_t size, int64_t *id);

/* GIBSON_WOULD_BLOCK asks to try again, with more room. A service that fails knows no name. */
static gibson_status found(int failure, bool is_there)
{
    if (failure == ERANGE || failure == EINTR) {
        return GIBSON_WOULD_BLOCK;
    }
    return is_there ? GIBSON_OK : GIBSON_INVALID;
}

static gibson_status look_up_user(const char *name, char *room, size_t size, int64_t *id)
{
    struct passwd record;
    struct passwd *result = NULL;
    int failure = getpwnam_r(name, &record, room, size, &result);
    *id = result ? (int64_t)record.pw_uid : 0;
    return found(failure, result);
}

static gibson_status look_up_group(const char *name, char *room, size_t size, int64_t *id)
{
    struct group record;
    struct group *result = NULL;
    int failure = getgrnam_r(name, &record, room, size, &result);
    *id = result ? (int64_t)record.gr_gid : 0;
    return found(failure, result);
}

static gibson_status find_name(look_up *in, const char *name, int64_t *id)
{
    gibson_status status = GIBSON_WOULD_BLOCK;
    for (size_t size = SMALLEST_RECORD; status == GIBSON_WOULD_BLOCK && size <= LARGEST_RECORD;
         size *= 4) {
        char *room = malloc(size);
        status = room ? in(name, room, size, id) : GIBSON_NOMEM;
        free(room);
    }
    return status == GIBSON_WOULD_BLOCK ? GIBSON_NOMEM : status;
}

/* A name of digits alone is a number. */
static gibson_status find_id(look_up *in, const char *directive, const char *word, size_t size,
                             int64_t *id, gibson_error *error)
{
    char name[LONGEST_NAME];
    gibson_status status = GIBSON_INVALID;
    if (size < sizeof name) {
        memcpy(name, word, size);
        name[size] = '\0';
        status = gibs_config_read_number(GIBS_KIND_NUMBER, name, id)
                     ? (*id <= largest_id ? GIBSON_OK : GIBSON_INVALID)
                     : find_name(in, name, id);
    }
    if (status == GIBSON_NOMEM) {
        return gib_error_set(error, status, "no memory for %s", directive);
    }
    if (status != GIBSON_OK) {
        return gib_error_set(error, status, "%s: there is no '%.*s'", directive,
                             size < 60 ? (int)size : 60, word);
    }
    return GIBSON_OK;
}

/* Makes the list of the numbers that a text names. */
static gibson_status read_list(look_up *in, const char *directive, const char *text, id_t **list,
                               size_t *count, gibson_error *error)
{
    gibson_status status = GIBSON_OK;
    const char *at = text;
    size_t size;
    for (; status == GIBSON_OK && (size = gibs_config_word(&at)); at += size) {
        int64_t id = 0;
        id_t *longer = realloc(*list, (*count + 1) * sizeof *longer);
        if (!longer) {
            return gib_error_set(error, GIBSON_NOMEM, "no memory for %s", directive);
        }
        *list = longer;
        status = find_id(in, directive, at, size, &id, error);
        longer[(*count)++] = (id_t)id;
    }
    return status;
}

static gibson_status read_lists(gibs_peers *peers, const char *users, const char *groups,
                                gibson_error *error)
{
    gibson_status status = read_list(look_up_user, "unix_socket_users", users, &peers->users,
                                     &peers->user_count, error);
    if (status == GIBSON_OK) {
        status = read_list(look_up_group, "unix_socket_groups", groups, &peers->groups,
                           &peers->group_count, error);
    }
    return status;
}

/* Without this option there is no telling who connects. */
#if defined(SO_PEERCRED) && !defined(GIBS_NO_PEER_CREDENTIALS)
static const bool system_tells = true;
#else
static const bool system_tells = false;
#endif

gibson_status gibs_peers_new(gibs_peers **peers, const gibson_server_config *config,
                             gibson_error *error)
{
    const char *users = GIBS_CONFIG_TEXT(config, unix_socket_users);
    const char *groups = GIBS_CONFIG_TEXT(config, unix_socket_groups);
    const char *first_user = users;
    const char *first_group = groups;
    *peers = NULL;
    if (!gibs_config_word(&first_user) && !gibs_config_word(&first_group)) {
        return GIBSON_OK;
    }
    if (!system_tells) {
        return gib_error_set(error, GIBSON_INVALID,
                             "unix_socket_users, unix_socket_groups: this system does not tell who "
                             "connects");
    }
    gibs_peers *made = calloc(1, sizeof *made);
    gibson_status status = made ? read_lists(made, users, groups, error)
                                : gib_error_set(error, GIBSON_NOMEM, "no memory for users");
    if (status != GIBSON_OK) {
        gibs_peers_free(made);
        made = NULL;
    }
    *peers = made;
    return status;
}

void gibs_peers_free(gibs_peers *peers)
{
    if (peers) {
        free(peers->users);
        free(peers->groups);
        free(peers);
    }
}
