
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For the tests of the plist reader on what is made to be slow, large or out
 * of bounds; test_plist_xml.c and test_plist_binary.c include it once.  Every
 * document is read within 50 ms of CPU and 16 times its size of memory (and
 * MDM_PLIST_SPARE): the time from getrusage(), the memory from an allocator
 * that counts.  The heap is kept warm, for to map 13 MB of fresh pages may
 * take 1 ms or, in a nested virtual machine, 40.  Under a sanitizer, which
 * has its own allocator and is slow, only what is out of bounds is seen.
 */


#ifndef _MDM_UNIT_PLIST_H_INCLUDED_
#define _MDM_UNIT_PLIST_H_INCLUDED_


#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/resource.h>

#include <cmocka.h>

#include "mdm_plist.h"
#include "mdm_unit_sanitized.h"


#define CPU_LIMIT     50.0                 /* ms */
#define MB            (1024 * 1024)
#define BUFFER        (48 * MB)

#define count(a)      (sizeof(a) / sizeof((a)[0]))


typedef struct {
    u_char                   *data;
    size_t                    len;

    uint32_t                  offsets[4096];   /* of a binary plist */
    uint32_t                  n;
} doc_t;


static doc_t               doc;
static mdm_limits_t  limits;


/* the counting allocator: libplist calls it, too */

static size_t  memory_now;
static size_t  memory_peak;

/* so many calls from now malloc() or calloc() fails; 0: never */

static long    memory_fail __attribute__((unused));


#if !(SANITIZED)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static void *memory_count(void *p);


static void *
memory_count(void *p)
{
    if (p != NULL) {
        memory_now += malloc_usable_size(p) + sizeof(size_t);

        if (memory_now > memory_peak) {
            memory_peak = memory_now;
        }
    }

    return p;
}


void *
malloc(size_t size)
{
    if (memory_fail != 0 && --memory_fail == 0) {
        return NULL;
    }

    return memory_count(__libc_malloc(size));
}


void *
calloc(size_t n, size_t size)
{
    if (memory_fail != 0 && --memory_fail == 0) {
        return NULL;
    }

    return memory_count(__libc_calloc(n, size));
}


void *
realloc(void *p, size_t size)
{
    if (p != NULL) {
        memory_now -= malloc_usable_size(p) + sizeof(size_t);
    }

    return memory_count(__libc_realloc(p, size));
}


void
free(void *p)
{
    if (p != NULL) {
        memory_now -= malloc_usable_size(p) + sizeof(size_t);
    }

    __libc_free(p);
}

#endif


static double
cpu(void)
{
    struct rusage  usage;

    (void) getrusage(RUSAGE_SELF, &usage);

    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3
           + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}


/* building documents */

static void
add(const char *text)
{
    size_t  len;

    len = strlen(text);
    assert_true(doc.len + len <= BUFFER);

    memcpy(doc.data + doc.len, text, len);
    doc.len += len;
}


static void
repeat(const char *text, size_t n)
{
    while (n-- != 0) {
        add(text);
    }
}


static void
bytes(const void *data, size_t len)
{
    assert_true(doc.len + len <= BUFFER);

    memcpy(doc.data + doc.len, data, len);
    doc.len += len;
}


static void
start(void)
{
    doc.len = 0;
    doc.n = 0;
}


/*
 * Reads the document, measures; "why" is a part of the reason to refuse it,
 * or NULL: it is to be read.
 */

static void
measure(const char *name, const char *why)
{
    int           i;
    double        time, best;
    u_char       *copy;
    size_t        before, peak, allowed;
    plist_t       plist;
    mdm_int_t     rc;
    mdm_str_t     in;
    const char   *reason;
    mdm_arena_t  *arena;

    copy = malloc(doc.len + 1);
    assert_non_null(copy);
    memcpy(copy, doc.data, doc.len);

    in.data = copy;
    in.len = doc.len;

    best = 1e9;
    peak = 0;
    rc = MDM_ERROR;
    reason = NULL;

    /* the best of three: the machine has other things to do */

    for (i = 0; i < 3 && best > CPU_LIMIT / 4; i++) {
        arena = mdm_arena_create(256);
        assert_non_null(arena);

        before = memory_now;
        memory_peak = memory_now;
        reason = NULL;
        time = cpu();

        rc = mdm_plist_parse(arena, &in, &limits, &plist, &reason);

        peak = memory_peak - before;
        mdm_arena_destroy(arena);

        time = cpu() - time;

        if (time < best) {
            best = time;
        }
    }

    free(copy);

    allowed = 16 * doc.len + MDM_PLIST_SPARE;

    print_message("    %-30s %9zu bytes %7.2f ms %6.1f MB %5.1fx  %s\n", name,
                  doc.len, best, (double) peak / MB,
                  (double) peak / (double) doc.len,
                  (reason == NULL) ? "read" : reason);

    if (why == NULL) {
        assert_int_equal(rc, MDM_OK);

    } else {
        assert_int_equal(rc, MDM_DECLINED);

        if (strstr(reason, why) == NULL) {
            fail_msg("%s: \"%s\", not \"%s\"", name, reason, why);
        }
    }

    if (!(SANITIZED)) {
        assert_true(peak <= allowed);
        assert_true(best <= CPU_LIMIT);
    }
}


static int
setup(void **state)
{
    (void) state;

    limits.depth = MDM_PLIST_DEPTH;
    limits.nodes = MDM_PLIST_NODES;

    return 0;
}


static int
setup_all(void **state)
{
    void  *p;

    (void) state;

    doc.data = malloc(BUFFER);

    (void) mallopt(M_MMAP_THRESHOLD, 512 * MB);
    (void) mallopt(M_TRIM_THRESHOLD, 512 * MB);

    p = malloc(2 * BUFFER);

    if (doc.data == NULL || p == NULL) {
        return -1;
    }

    memset(p, 1, 2 * BUFFER);
    free(p);

    return 0;
}


static int
teardown_all(void **state)
{
    (void) state;

    free(doc.data);

    return 0;
}


static void
apps(size_t n)
{
    char    text[1024];
    size_t  i;

    start();
    add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC "
        "\"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\">\n<dict>\n\t<key>CommandUUID</key>\n"
        "\t<string>0001_InstalledApplicationList</string>\n"
        "\t<key>InstalledApplicationList</key>\n\t<array>\n");

    for (i = 0; i < n; i++) {
        (void) sprintf(text,
            "\t\t<dict>\n\t\t\t<key>AdHocCodeSigned</key>\n\t\t\t<false/>\n"
            "\t\t\t<key>AppStoreVendable</key>\n\t\t\t<true/>\n"
            "\t\t\t<key>BetaApp</key>\n\t\t\t<false/>\n"
            "\t\t\t<key>BundleSize</key>\n\t\t\t<integer>%zu</integer>\n"
            "\t\t\t<key>DynamicSize</key>\n\t\t\t<integer>73728</integer>\n"
            "\t\t\t<key>Identifier</key>\n"
            "\t\t\t<string>com.example.application.%zu</string>\n"
            "\t\t\t<key>IsValidated</key>\n\t\t\t<true/>\n"
            "\t\t\t<key>Name</key>\n\t\t\t<string>Application %zu</string>\n"
            "\t\t\t<key>ShortVersion</key>\n\t\t\t<string>1.2.3</string>\n"
            "\t\t\t<key>Version</key>\n\t\t\t<string>%zu</string>\n"
            "\t\t</dict>\n", i * 4096, i, i, i);
        add(text);
    }

    add("\t</array>\n\t<key>Status</key>\n\t<string>Acknowledged</string>\n"
        "</dict>\n</plist>\n");
}


#endif /* _MDM_UNIT_PLIST_H_INCLUDED_ */
