
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An operation is run again and again, each time with another allocation that
 * fails, until there is none left: test_alloc*.c include this once and are
 * linked with --wrap (t/unit/Makefile), so that what is replaced is called by
 * src/ and by the tests only.
 *
 * What fails: malloc() and calloc() of our own code, all memory of OpenSSL and
 * of jansson when it writes, RAND_bytes(), json_loadb(), X509_sign(), and the
 * calls of libplist that can tell that they failed.  Inside libplist nothing
 * fails, for it does not look at what malloc() gives, and crashes; nor inside
 * jansson's reader, which then loses a byte of a string, or its end; nor inside
 * X509_sign(), which then leaves a certificate that cannot be freed.
 *
 * A failure ends as the headers document it, or is without consequence.
 * What is ours or jansson's must be free in the end.  OpenSSL keeps caches, so
 * that its leaks, and libplist's, are for the sanitizer build to find.
 */


#ifndef _MDM_UNIT_ALLOC_H_INCLUDED_
#define _MDM_UNIT_ALLOC_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "mdm_plist.h"
#include "mdm_unit_sanitized.h"


#define ALLOC_LIVE    65536
#define ALLOC_TRACE   (1024 * 1024)
#define ALLOC_MAX     100000               /* an operation makes fewer */
#define ALLOC_MANY    500


/* what an operation has done */

typedef enum {
    ALLOC_OK = 0,                          /* the trace is that of success */
    ALLOC_REFUSED,                         /* the input, with this trace */
    ALLOC_FAILED                           /* no memory, as is documented */
} alloc_rc_e;

typedef alloc_rc_e (*alloc_op_pt)(void *data);


static long         alloc_count;           /* so many could have failed */
static long         alloc_fail;            /* the one that does; 0: none */
static mdm_uint_t   alloc_sticky;          /* 1: all behind it, too */
static mdm_uint_t   alloc_armed;
static mdm_uint_t   alloc_paused;
static mdm_uint_t   alloc_failures;
static mdm_uint_t   alloc_library;         /* of those, in a library */

static int          alloc_random = 0x5a;

static void        *alloc_live[ALLOC_LIVE];
static size_t       alloc_nlive;

static u_char       alloc_trace[ALLOC_TRACE];
static size_t       alloc_len;
static u_char       alloc_good[ALLOC_TRACE];
static char         alloc_text[2000];

static mdm_uint_t   alloc_ops;
static long         alloc_total;
static long         alloc_refused;


void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
int __real_plist_from_bin(const char *data, uint32_t len, plist_t *plist);
int __real_plist_to_xml(plist_t plist, char **xml, uint32_t *len);
plist_t __real_plist_new_string(const char *text);
void __real_plist_dict_new_iter(plist_t dict, plist_dict_iter *iter);
void __real_plist_dict_next_item(plist_t dict, plist_dict_iter iter,
    char **key, plist_t *value);
void __real_plist_array_new_iter(plist_t array, plist_array_iter *iter);

int __real_X509_sign(X509 *cert, EVP_PKEY *key, const EVP_MD *md);

json_t *__real_json_loadb(const char *text, size_t len, size_t flags,
    json_error_t *error);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);
int __wrap_RAND_bytes(unsigned char *buf, int n);
int __wrap_plist_from_bin(const char *data, uint32_t len, plist_t *plist);
int __wrap_plist_to_xml(plist_t plist, char **xml, uint32_t *len);
plist_t __wrap_plist_new_string(const char *text);
void __wrap_plist_dict_new_iter(plist_t dict, plist_dict_iter *iter);
void __wrap_plist_dict_next_item(plist_t dict, plist_dict_iter iter,
    char **key, plist_t *value);
void __wrap_plist_array_new_iter(plist_t array, plist_array_iter *iter);
int __wrap_X509_sign(X509 *cert, EVP_PKEY *key, const EVP_MD *md);
json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags,
    json_error_t *error);


/* the one place where it is decided: 1 to fail */

static mdm_uint_t
alloc_refuse(mdm_uint_t library)
{
    if (!alloc_armed || alloc_paused) {
        return 0;
    }

    alloc_count++;

    if (alloc_fail == 0
        || alloc_count < alloc_fail
        || (alloc_count > alloc_fail && !alloc_sticky))
    {
        return 0;
    }

    alloc_failures++;
    alloc_library += library;

    return 1;
}


static void *
alloc_keep(void *p)
{
    if (alloc_armed && p != NULL) {

        if (alloc_nlive == ALLOC_LIVE) {
            abort();
        }

        alloc_live[alloc_nlive++] = p;
    }

    return p;
}


void *
__wrap_malloc(size_t size)
{
    return alloc_refuse(0) ? NULL : alloc_keep(__real_malloc(size));
}


void *
__wrap_calloc(size_t n, size_t size)
{
    return alloc_refuse(0) ? NULL : alloc_keep(__real_calloc(n, size));
}


void
__wrap_free(void *p)
{
    size_t  i;

    for (i = alloc_nlive; p != NULL && i != 0; i--) {

        if (alloc_live[i - 1] == p) {
            alloc_live[i - 1] = alloc_live[--alloc_nlive];
            break;
        }
    }

    __real_free(p);
}


static void *
alloc_openssl_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return alloc_refuse(1) ? NULL : __real_malloc(size);
}


static void *
alloc_openssl_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return alloc_refuse(1) ? NULL : realloc(p, size);
}


static void
alloc_openssl_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;

    __real_free(p);
}


static void *
alloc_jansson_malloc(size_t size)
{
    return alloc_refuse(1) ? NULL : alloc_keep(__real_malloc(size));
}


/* the same bytes at every run of an operation, so that they can be compared */

int
__wrap_RAND_bytes(unsigned char *buf, int n)
{
    if (alloc_refuse(0)) {
        return 0;
    }

    memset(buf, alloc_random, (size_t) n);

    return 1;
}


int
__wrap_plist_from_bin(const char *data, uint32_t len, plist_t *plist)
{
    if (alloc_refuse(0)) {
        *plist = NULL;
        return 0;
    }

    (void) __real_plist_from_bin(data, len, plist);

    return 0;
}


int
__wrap_plist_to_xml(plist_t plist, char **xml, uint32_t *len)
{
    if (alloc_refuse(0)) {
        *xml = NULL;
        return 0;
    }

    (void) __real_plist_to_xml(plist, xml, len);

    return 0;
}


plist_t
__wrap_plist_new_string(const char *text)
{
    return alloc_refuse(0) ? NULL : __real_plist_new_string(text);
}


void
__wrap_plist_dict_new_iter(plist_t dict, plist_dict_iter *iter)
{
    if (alloc_refuse(0)) {
        *iter = NULL;
        return;
    }

    __real_plist_dict_new_iter(dict, iter);
}


/* the copy of the key is what may be missing */

void
__wrap_plist_dict_next_item(plist_t dict, plist_dict_iter iter, char **key,
    plist_t *value)
{
    __real_plist_dict_next_item(dict, iter, key, value);

    if (*key != NULL && alloc_refuse(0)) {
        __real_free(*key);
        *key = NULL;
    }
}


void
__wrap_plist_array_new_iter(plist_t array, plist_array_iter *iter)
{
    if (alloc_refuse(0)) {
        *iter = NULL;
        return;
    }

    __real_plist_array_new_iter(array, iter);
}


json_t *
__wrap_json_loadb(const char *text, size_t len, size_t flags,
    json_error_t *error)
{
    json_t  *root;

    if (alloc_refuse(0)) {

        if (error != NULL) {
            memset(error, 0, sizeof(json_error_t));
        }

        return NULL;
    }

    alloc_paused = alloc_armed;
    root = __real_json_loadb(text, len, flags, error);
    alloc_paused = 0;

    return root;
}


int
__wrap_X509_sign(X509 *cert, EVP_PKEY *key, const EVP_MD *md)
{
    int  len;

    if (alloc_refuse(1)) {
        return 0;
    }

    alloc_paused = alloc_armed;
    len = __real_X509_sign(cert, key, md);
    alloc_paused = 0;

    return len;
}


/* before anything else in main() */

static void
alloc_init(void)
{
    if (CRYPTO_set_mem_functions(alloc_openssl_malloc, alloc_openssl_realloc,
                                 alloc_openssl_free)
        != 1)
    {
        fprintf(stderr, "OpenSSL has allocated before main()\n");
        exit(1);
    }

    json_set_alloc_funcs(alloc_jansson_malloc, __wrap_free);
    json_object_seed(1);
}


/* what an operation gives goes into the trace, to be compared */

static void
alloc_bytes(const void *data, size_t len)
{
    if (len > ALLOC_TRACE - alloc_len - sizeof(size_t)) {
        abort();
    }

    memcpy(alloc_trace + alloc_len, &len, sizeof(size_t));
    alloc_len += sizeof(size_t);

    if (len != 0) {
        memcpy(alloc_trace + alloc_len, data, len);
        alloc_len += len;
    }
}


static inline void
alloc_str(const mdm_str_t *s)
{
    alloc_bytes(s->data, s->len);
}


static alloc_rc_e
alloc_run(alloc_op_pt op, void *data, long fail, mdm_uint_t sticky)
{
    alloc_rc_e  rc;

    alloc_len = 0;
    alloc_count = 0;
    alloc_fail = fail;
    alloc_sticky = sticky;
    alloc_failures = 0;
    alloc_library = 0;
    alloc_nlive = 0;

    alloc_armed = 1;
    rc = op(data);
    alloc_armed = 0;

    return rc;
}


/* the trace as text */

static int
alloc_shown(void)
{
    u_char  c;
    size_t  i, n;

    n = 0;

    for (i = 0; i < alloc_len && n < sizeof(alloc_text); i++) {
        c = alloc_trace[i];

        if (c != 0) {
            alloc_text[n++] = (char) ((c < 0x20 || c > 0x7e) ? '.' : c);
        }
    }

    return (int) n;
}


/* the operation must end as "expected" where nothing fails */

static void
alloc_each(const char *name, alloc_rc_e expected, alloc_op_pt op, void *data)
{
    long         n, step;
    size_t       len;
    alloc_rc_e   rc;
    mdm_uint_t   sticky, failed;

    /* twice, for caches */

    (void) alloc_run(op, data, 0, 0);
    rc = alloc_run(op, data, 0, 0);

    if (rc != expected || alloc_nlive != 0) {
        fail_msg("%s: ends as %d, not %d, and leaves %zu", name, rc, expected,
                 alloc_nlive);
    }

    len = alloc_len;
    memcpy(alloc_good, alloc_trace, len);

    alloc_ops++;

    /*
     * Each alone; and each with all behind it, of OpenSSL's many a part.  With
     * a sanitizer, which takes five times as long, a part in both ways.
     */

    for (sticky = 0; sticky < 2; sticky++) {
        failed = 0;
        step = (sticky && alloc_count > ALLOC_MANY) ? 7 : 1;

        if (SANITIZED && alloc_count > ALLOC_MANY) {
            step *= 5;
        }

        for (n = 1; n < ALLOC_MAX; n += step) {

            rc = alloc_run(op, data, n, sticky);

            if (alloc_nlive != 0) {
                fail_msg("%s: allocation %ld fails: %zu are not freed", name,
                         n, alloc_nlive);
            }

            /*
             * OpenSSL hides some of its errors, such as that of a key for
             * which it has no memory: then the input is refused, though it
             * is good, or for another reason
             */

            if (rc == ALLOC_REFUSED && alloc_library != 0) {
                alloc_refused += (expected == ALLOC_OK);
                rc = ALLOC_FAILED;
            }

            if (rc != ALLOC_FAILED
                && (rc != expected || alloc_len != len
                    || memcmp(alloc_trace, alloc_good, len) != 0))
            {
                fail_msg("%s: allocation %ld fails%s: ends as %d, not %d, "
                         "with the result %.*s", name, n,
                         sticky ? ", and all after" : "", rc, expected,
                         alloc_shown(), alloc_text);
            }

            if (alloc_failures == 0) {
                break;
            }

            if (rc == ALLOC_FAILED) {
                failed++;
            }

            alloc_total++;

            if (ERR_peek_error() != 0) {

                /* where OpenSSL cannot even set its mark */

                ERR_clear_error();
            }
        }

        if (n >= ALLOC_MAX || alloc_failures != 0
            || (n > 1 && failed == 0 && expected == ALLOC_OK))
        {
            fail_msg("%s: %ld allocations, %lu of them noticed", name, n - 1,
                     (unsigned long) failed);
        }

        if (rc != expected) {
            fail_msg("%s: does not end well without a failure", name);
        }
    }

    print_message("    %-34s %5ld allocations\n", name, alloc_count);
}


static inline void
alloc_done(void)
{
    print_message("    %lu operations, %ld failures, for %ld of which good "
                  "input is refused\n", (unsigned long) alloc_ops,
                  alloc_total, alloc_refused);
}


#endif /* _MDM_UNIT_ALLOC_H_INCLUDED_ */
