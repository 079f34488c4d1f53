
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Memory, buffers, lists, numbers that look random, files.
 */


#include "mdmsim_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>


#define SIM_MAX_FILE  ((size_t) 64 << 20)


void
sim_die(const char *fmt, ...)
{
    va_list  args;

    fflush(stdout);
    fputs("mdmsim: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);

    exit(2);
}


void *
sim_alloc(size_t size)
{
    void  *p;

    p = calloc(1, size == 0 ? 1 : size);
    if (p == NULL) {
        sim_die("out of memory (%zu bytes)", size);
    }

    return p;
}


void *
sim_realloc(void *p, size_t size)
{
    p = realloc(p, size == 0 ? 1 : size);
    if (p == NULL) {
        sim_die("out of memory (%zu bytes)", size);
    }

    return p;
}


uint64_t
sim_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * SIM_SEC + (uint64_t) ts.tv_nsec;
}


/* the finalizer of splitmix64 */

uint64_t
sim_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);

    return x ^ (x >> 31);
}


uint64_t
sim_hash(uint64_t seed, uint64_t n, uint64_t salt)
{
    return sim_mix(sim_mix(sim_mix(seed) ^ n) ^ salt);
}


uint64_t
sim_hash_bytes(uint64_t seed, const void *data, size_t len)
{
    size_t          i;
    uint64_t        h;
    const uint8_t  *p;

    p = data;
    h = sim_mix(seed ^ len);

    for (i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }

    return sim_mix(h);
}


void
sim_fill(uint64_t seed, void *data, size_t len)
{
    size_t     i;
    uint8_t   *p;
    uint64_t   x;

    p = data;
    x = 0;

    for (i = 0; i < len; i++) {
        if ((i & 7) == 0) {
            x = sim_mix(seed + i);
        }

        p[i] = (uint8_t) (x >> ((i & 7) * 8));
    }
}


void
sim_uuid(uint64_t seed, char *dst)
{
    uint64_t  a, b;

    a = sim_mix(seed);
    b = sim_mix(a ^ seed);

    snprintf(dst, 37, "%08X-%04X-%04X-%04X-%012llX",
             (unsigned) (a >> 32), (unsigned) (a >> 16 & 0xffff),
             (unsigned) ((a & 0x0fff) | 0x4000),
             (unsigned) ((b >> 48 & 0x3fff) | 0x8000),
             (unsigned long long) (b & UINT64_C(0xffffffffffff)));
}


void
sim_buf_reserve(sim_buf_t *b, size_t len)
{
    size_t  size;

    if (b->size - b->len > len) {
        return;
    }

    if (len > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        sim_die("out of memory (%zu bytes)", len);
    }

    size = b->size * 2;
    if (size < b->len + len + 1) {
        size = b->len + len + 1;
    }
    if (size < 256) {
        size = 256;
    }

    b->data = sim_realloc(b->data, size);
    b->size = size;
}


/* a NUL follows the contents, not counted */

void
sim_buf_add(sim_buf_t *b, const void *data, size_t len)
{
    sim_buf_reserve(b, len);

    if (len != 0) {
        memcpy(b->data + b->len, data, len);
    }

    b->len += len;
    b->data[b->len] = '\0';
}


void
sim_buf_str(sim_buf_t *b, const char *s)
{
    sim_buf_add(b, s, strlen(s));
}


void
sim_buf_printf(sim_buf_t *b, const char *fmt, ...)
{
    int      n;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        sim_die("vsnprintf() failed");
    }

    sim_buf_reserve(b, (size_t) n);

    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t) n + 1, fmt, args);
    va_end(args);

    b->len += (size_t) n;
}


void
sim_buf_base64(sim_buf_t *b, const void *data, size_t len)
{
    char            *d;
    size_t           i, n;
    uint32_t         x;
    const uint8_t   *s;

    static const char  abc[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (len > SIZE_MAX / 8) {
        sim_die("out of memory (%zu bytes)", len);
    }

    n = (len + 2) / 3 * 4;
    sim_buf_reserve(b, n);

    s = data;
    d = b->data + b->len;

    for (i = 0; i + 2 < len; i += 3) {
        x = (uint32_t) s[i] << 16 | (uint32_t) s[i + 1] << 8 | s[i + 2];
        *d++ = abc[x >> 18];
        *d++ = abc[x >> 12 & 63];
        *d++ = abc[x >> 6 & 63];
        *d++ = abc[x & 63];
    }

    if (i < len) {
        x = (uint32_t) s[i] << 16;
        if (i + 1 < len) {
            x |= (uint32_t) s[i + 1] << 8;
        }

        *d++ = abc[x >> 18];
        *d++ = abc[x >> 12 & 63];
        *d++ = (i + 1 < len) ? abc[x >> 6 & 63] : '=';
        *d++ = '=';
    }

    *d = '\0';
    b->len += n;
}


void
sim_buf_percent(sim_buf_t *b, const void *data, size_t len)
{
    char            *d;
    size_t           i;
    const uint8_t   *s;

    static const char  hex[] = "0123456789ABCDEF";

    if (len > SIZE_MAX / 8) {
        sim_die("out of memory (%zu bytes)", len);
    }

    sim_buf_reserve(b, len * 3);

    s = data;
    d = b->data + b->len;

    for (i = 0; i < len; i++) {
        if ((s[i] >= '0' && s[i] <= '9')
            || (s[i] >= 'A' && s[i] <= 'Z')
            || (s[i] >= 'a' && s[i] <= 'z')
            || s[i] == '-' || s[i] == '.' || s[i] == '_' || s[i] == '~')
        {
            *d++ = (char) s[i];

        } else {
            *d++ = '%';
            *d++ = hex[s[i] >> 4];
            *d++ = hex[s[i] & 15];
        }
    }

    *d = '\0';
    b->len = (size_t) (d - b->data);
}


void
sim_buf_free(sim_buf_t *b)
{
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->size = 0;
}


void
sim_read_file(const char *name, sim_buf_t *b)
{
    int      fd;
    ssize_t  n;

    fd = open(name, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        sim_die("cannot open \"%s\": %s", name, strerror(errno));
    }

    for ( ;; ) {
        sim_buf_reserve(b, 65536);

        n = read(fd, b->data + b->len, 65536);
        if (n == -1) {
            sim_die("cannot read \"%s\": %s", name, strerror(errno));
        }
        if (n == 0) {
            break;
        }

        b->len += (size_t) n;
        if (b->len > SIM_MAX_FILE) {
            sim_die("\"%s\" is too large", name);
        }
    }

    b->data[b->len] = '\0';
    close(fd);
}


void
sim_write_file(const char *name, const sim_buf_t *b, int mode, int force)
{
    int      fd;
    size_t   done;
    ssize_t  n;

    if (force) {
        (void) unlink(name);
    }

    fd = open(name, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, mode);
    if (fd == -1) {
        sim_die("cannot create \"%s\": %s", name, strerror(errno));
    }

    for (done = 0; done < b->len; done += (size_t) n) {
        n = write(fd, b->data + done, b->len - done);
        if (n == -1) {
            sim_die("cannot write \"%s\": %s", name, strerror(errno));
        }
    }

    if (close(fd) == -1) {
        sim_die("cannot write \"%s\": %s", name, strerror(errno));
    }
}


void
sim_link_init(sim_link_t *head)
{
    head->prev = head;
    head->next = head;
}


void
sim_link_add(sim_link_t *head, sim_link_t *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}


void
sim_link_first(sim_link_t *head, sim_link_t *link)
{
    sim_link_add(head->next, link);
}


void
sim_link_del(sim_link_t *link)
{
    if (link->next != NULL) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->prev = NULL;
        link->next = NULL;
    }
}


int
sim_link_empty(const sim_link_t *head)
{
    return head->next == head;
}
