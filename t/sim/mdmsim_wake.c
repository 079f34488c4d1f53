
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices that sleep until they are woken.  mdmapns is told the token of each
 * over its control socket, "device TOKEN", and writes "push TOKEN BODY" when it
 * has taken a push for it, or has kept one.
 */


#include "mdmsim_wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>


#define SIM_HEX  (2 * SIM_TOKEN)


static void sim_wake_connect(sim_wake_t *w, const char *path);
static void sim_wake_names(sim_wake_t *w, int channels);
static void sim_wake_name(sim_wake_t *w, sim_buf_t *out, uint32_t number,
    uint32_t user);
static uint32_t sim_wake_slot(const sim_wake_t *w, const char *token);
static void sim_wake_line(sim_wake_t *w, const char *line, size_t len);
static void sim_wake_hex(char *dst, const uint8_t *token);


void
sim_wake_init(sim_wake_t *w, const sim_option_t *opt, sim_loop_t *loop)
{
    w->fleet = &opt->fleet;
    w->channels = opt->fleet.count * (opt->fleet.users + 1);

    for (w->size = 64; w->size < 2 * w->channels; w->size *= 2) {
        /* void */
    }

    w->slots = sim_alloc(w->size * sizeof(uint32_t));
    w->ring = sim_alloc(w->channels * sizeof(uint32_t));
    w->since = sim_alloc(w->channels * sizeof(uint64_t));

    sim_wake_connect(w, opt->wake);
    sim_wake_names(w, opt->channels);

    if (fcntl(w->fd, F_SETFL, O_NONBLOCK) == -1) {
        sim_die("fcntl() failed: %s", strerror(errno));
    }

    sim_loop_watch(loop, w->fd);
}


void
sim_wake_free(sim_wake_t *w)
{
    if (w->slots == NULL) {
        return;
    }

    close(w->fd);
    free(w->slots);
    free(w->ring);
    free(w->since);
    sim_buf_free(&w->in);
}


static void
sim_wake_connect(sim_wake_t *w, const char *path)
{
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        sim_die("\"%s\" is too long for a socket", path);
    }

    strcpy(sun.sun_path, path);

    w->fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (w->fd == -1
        || connect(w->fd, (struct sockaddr *) &sun, sizeof(sun)) == -1)
    {
        sim_die("cannot connect to \"%s\": %s", path, strerror(errno));
    }
}


static void
sim_wake_names(sim_wake_t *w, int channels)
{
    size_t      at;
    ssize_t     n;
    uint32_t    i, user, number;
    sim_buf_t   out;

    memset(&out, 0, sizeof(sim_buf_t));

    for (i = 0; i < w->fleet->count; i++) {
        number = w->fleet->first + i;

        if (channels & SIM_CHANNEL_DEVICE) {
            sim_wake_name(w, &out, number, 0);
        }

        if (!(channels & SIM_CHANNEL_USER)) {
            continue;
        }

        for (user = 1; user <= sim_device_users(w->fleet, number); user++) {
            sim_wake_name(w, &out, number, user);
        }
    }

    for (at = 0; at < out.len; at += (size_t) n) {
        n = write(w->fd, out.data + at, out.len - at);

        if (n == -1) {
            sim_die("cannot write to mdmapns: %s", strerror(errno));
        }
    }

    sim_buf_free(&out);
}


static void
sim_wake_name(sim_wake_t *w, sim_buf_t *out, uint32_t number, uint32_t user)
{
    char      hex[SIM_HEX + 1], magic[40];
    uint8_t   token[SIM_TOKEN];

    (void) sim_push_token(w->fleet, number, user, token, magic);
    sim_wake_hex(hex, token);
    sim_buf_printf(out, "device %s\n", hex);

    w->slots[sim_wake_slot(w, hex)] =
        (number - w->fleet->first) * (w->fleet->users + 1) + user + 1;
}


/* where the channel of the token is, or would be */

static uint32_t
sim_wake_slot(const sim_wake_t *w, const char *token)
{
    char      hex[SIM_HEX + 1], magic[40];
    uint8_t   bytes[SIM_TOKEN];
    uint32_t  i, channel;

    i = (uint32_t) sim_hash_bytes(0, token, SIM_HEX);

    for ( /* void */ ; /* void */ ; i++) {
        channel = w->slots[i & (w->size - 1)];

        if (channel == 0) {
            break;
        }

        (void) sim_push_token(w->fleet,
                              w->fleet->first
                              + (channel - 1) / (w->fleet->users + 1),
                              (channel - 1) % (w->fleet->users + 1), bytes,
                              magic);
        sim_wake_hex(hex, bytes);

        if (memcmp(hex, token, SIM_HEX) == 0) {
            break;
        }
    }

    return i & (w->size - 1);
}


static void
sim_wake_hex(char *dst, const uint8_t *token)
{
    unsigned  i;

    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < SIM_TOKEN; i++) {
        dst[2 * i] = digits[token[i] >> 4];
        dst[2 * i + 1] = digits[token[i] & 15];
    }

    dst[SIM_HEX] = '\0';
}


void
sim_wake_read(sim_wake_t *w)
{
    char     *line, *end;
    ssize_t   n;

    for ( ;; ) {
        sim_buf_reserve(&w->in, 65536);
        n = read(w->fd, w->in.data + w->in.len, 65536);

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n <= 0) {
            sim_die("mdmapns has closed the connection");
        }

        w->in.len += (size_t) n;
        line = w->in.data;

        while ((end = memchr(line, '\n',
                             w->in.len - (size_t) (line - w->in.data)))
               != NULL)
        {
            sim_wake_line(w, line, (size_t) (end - line));
            line = end + 1;
        }

        w->in.len -= (size_t) (line - w->in.data);
        memmove(w->in.data, line, w->in.len);
    }
}


static void
sim_wake_line(sim_wake_t *w, const char *line, size_t len)
{
    char      body[64], magic[40];
    size_t    n;
    uint8_t   token[SIM_TOKEN];
    uint32_t  channel, number, user;

    w->pushes++;

    if (len < 5 + SIM_HEX + 1 || memcmp(line, "push ", 5) != 0) {
        w->wrong++;
        return;
    }

    channel = w->slots[sim_wake_slot(w, line + 5)];

    if (channel == 0) {
        w->wrong++;
        return;
    }

    number = w->fleet->first + (channel - 1) / (w->fleet->users + 1);
    user = (channel - 1) % (w->fleet->users + 1);

    (void) sim_push_token(w->fleet, number, user, token, magic);
    n = (size_t) snprintf(body, sizeof(body), "{\"mdm\":\"%s\"}", magic);

    if (len != 5 + SIM_HEX + 1 + n
        || memcmp(line + 5 + SIM_HEX + 1, body, n) != 0)
    {
        w->wrong++;
        return;
    }

    if (w->woken != NULL) {
        w->woken(w->data, number, user);
        return;
    }

    sim_wake_put(w, number, user, sim_now());
}


/* one that is awake already does not come twice */

void
sim_wake_put(sim_wake_t *w, uint32_t device, uint32_t user, uint64_t since)
{
    uint32_t  i;

    i = (device - w->fleet->first) * (w->fleet->users + 1) + user;

    if (w->since[i] != 0) {
        return;
    }

    w->since[i] = since;
    w->ring[(w->head + w->awake++) % w->channels] = i;
}


int
sim_wake_take(sim_wake_t *w, uint32_t *device, uint32_t *user,
    uint64_t *since)
{
    uint32_t  i;

    if (w->awake == 0) {
        return SIM_AGAIN;
    }

    i = w->ring[w->head];
    w->head = (w->head + 1) % w->channels;
    w->awake--;

    *device = w->fleet->first + i / (w->fleet->users + 1);
    *user = i % (w->fleet->users + 1);
    *since = w->since[i];
    w->since[i] = 0;

    return SIM_OK;
}
