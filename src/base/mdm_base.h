
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The ground of the core: strings with a length, result codes, the arena, and
 * the small codecs (hex, base64, percent) that everything above needs.
 */


#ifndef _MDM_BASE_H_INCLUDED_
#define _MDM_BASE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>


#ifndef MDM_VERSION
#define MDM_VERSION           "0.1.0"
#endif


typedef intptr_t   mdm_int_t;
typedef uintptr_t  mdm_uint_t;


/* result codes of every function that can fail */

#define  MDM_OK          0
#define  MDM_ERROR      -1    /* out of memory, or a library failed: which
                                 of them mdm_arena_failure() says */
#define  MDM_DECLINED   -5    /* the input is refused, or is not there */


/*
 * A counted string; may hold any byte and is not terminated.  The layout is
 * that of ngx_str_t, so that the nginx side passes its own by a cast.
 */

typedef struct {
    size_t                    len;
    u_char                   *data;
} mdm_str_t;


#define mdm_string(s)         { sizeof(s) - 1, (u_char *) s }
#define mdm_null_string       { 0, NULL }

#define mdm_str_set(s, text)                                                  \
    (s)->len = sizeof(text) - 1; (s)->data = (u_char *) text

#define mdm_str_null(s)       (s)->len = 0; (s)->data = NULL


/*
 * The arena: memory with the life of one exchange (or one reply).  What is
 * allocated lives until the arena is destroyed; objects of libraries hang on
 * it by mdm_arena_defer().  Not thread-safe.
 */

typedef struct mdm_arena_s  mdm_arena_t;

typedef void (*mdm_cleanup_pt)(void *data);


/* creates an arena; the first block holds "size" bytes; NULL: no memory */
mdm_arena_t *mdm_arena_create(size_t size);

/* 0: a sanitizer looks for use after free, so no memory is used again */

#if (MDM_DEBUG_ALLOC) || defined(__SANITIZE_ADDRESS__)
#define MDM_RECYCLE           0
#else
#define MDM_RECYCLE           1
#endif

/*
 * Blocks that arenas have given back, for the next ones.  Zeroed, but for
 * "most", the bytes that are kept at most.  A pool, and all arenas made from
 * it, are used by one thread.
 */

typedef struct {
    void                     *free;        /* the first block, or NULL */
    size_t                    size;        /* bytes in the list */
    size_t                    most;
} mdm_arena_pool_t;

/*
 * The same, with blocks of the pool, which must outlive the arena; the first
 * one may hold more.
 */
mdm_arena_t *mdm_arena_create_from(mdm_arena_pool_t *pool, size_t size);

/* frees what is kept; arenas that are in use may give back still */
void mdm_arena_pool_clear(mdm_arena_pool_t *pool);

/* runs the deferred cleanups, last first, and frees all; NULL is allowed */
void mdm_arena_destroy(mdm_arena_t *arena);

/*
 * The same, but blocks of at least "size" bytes are left: to give many pages
 * back to the system takes long, and another thread may do it, by
 * mdm_blocks_free().  NULL: there is none.
 */
typedef struct mdm_block_s  mdm_block_t;

mdm_block_t *mdm_arena_destroy_small(mdm_arena_t *arena, size_t size);
void mdm_blocks_free(mdm_block_t *blocks);

/* aligned for any type; contents undefined; NULL: no memory; size 0 is ok */
void *mdm_arena_alloc(mdm_arena_t *arena, size_t size);

/* the same, zeroed */
void *mdm_arena_zalloc(mdm_arena_t *arena, size_t size);

/* bytes that were allocated of it so far */
size_t mdm_arena_used(const mdm_arena_t *arena);

/*
 * 1: the arena goes to another thread, and must not take blocks of a pool that
 * stays behind; 0: it has come back.
 */
void mdm_arena_away(mdm_arena_t *arena, mdm_uint_t away);

/*
 * Runs handler(data) when the arena is destroyed.  On MDM_ERROR (no memory)
 * the handler has been run at once, so nothing leaks either way.
 */
mdm_int_t mdm_arena_defer(mdm_arena_t *arena, mdm_cleanup_pt handler,
    void *data);


/* why a function has returned MDM_ERROR */

typedef enum {
    MDM_FAILURE_NONE = 0,
    MDM_FAILURE_MEMORY,          /* there was none */
    MDM_FAILURE_LIBRARY,         /* a function of a library failed */
    MDM_FAILURE_SCRIPT           /* a script failed, or said what it never
                                    does */
} mdm_failure_e;

/*
 * Keep that memory was lacking elsewhere than in this arena, and that a
 * library has failed.  "what" names its function, and has the life of the
 * program.  Always MDM_ERROR.
 */
mdm_int_t mdm_arena_no_memory(mdm_arena_t *arena);
mdm_int_t mdm_arena_failed(mdm_arena_t *arena, const char *what);

/*
 * What last failed of all that was done with this arena.  *what: the function
 * of the library; NULL: it is not known.
 */
mdm_failure_e mdm_arena_failure(const mdm_arena_t *arena, const char **what);


/* MDM_OK or MDM_ERROR; *dst is a copy of src owned by the arena */
mdm_int_t mdm_str_dup(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/* 1 if equal byte for byte, else 0 */
mdm_uint_t mdm_str_eq(const mdm_str_t *a, const mdm_str_t *b);

/* compares them byte by byte; the result is as that of strcmp() */
int mdm_str_cmp(const mdm_str_t *a, const mdm_str_t *b);

/* the same for qsort() of an array of mdm_str_t */
int mdm_str_order(const void *one, const void *two);

/* 1 if equal to the C string "text", else 0 */
mdm_uint_t mdm_str_is(const mdm_str_t *s, const char *text);

/* 1 if equal, letters (of ASCII) compared without case, else 0 */
mdm_uint_t mdm_str_eq_i(const mdm_str_t *a, const mdm_str_t *b);

/* 1 if s begins with the C string "text", letters compared without case */
mdm_uint_t mdm_str_begins_i(const mdm_str_t *s, const char *text);

/*
 * Formats into the arena.  Conversions are those of printf(); a counted
 * string is written as "%.*s", mdm_fmt(&s).  MDM_OK or MDM_ERROR.  The
 * result is also followed by a NUL, not counted.
 */
mdm_int_t mdm_printf(mdm_arena_t *arena, mdm_str_t *dst, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define mdm_fmt(s)            (int) (s)->len, (const char *) (s)->data

/* a decimal number: 1 to 18 digits, nothing else; MDM_OK or MDM_DECLINED */
mdm_int_t mdm_atoi(const mdm_str_t *s, int64_t *value);


/* lower-case hex; dst has room for 2 * n bytes */
void mdm_hex(u_char *dst, const u_char *src, size_t n);

/* the same as a string of the arena; MDM_OK or MDM_ERROR */
mdm_int_t mdm_hex_str(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/* standard base64 with padding, no line ends; MDM_OK or MDM_ERROR */
mdm_int_t mdm_base64(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/*
 * Decodes standard base64; white space is skipped, padding is required.
 * MDM_DECLINED: not base64.
 */
mdm_int_t mdm_unbase64(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/* ASCII letters of the one case to the other, in place */
void mdm_str_lower(mdm_str_t *s);
void mdm_str_upper(mdm_str_t *s);

/* base64 that is fit for a URL, without padding (RFC 4648, section 5) */

/* MDM_OK or MDM_ERROR */
mdm_int_t mdm_base64url_encode(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/*
 * The reverse, of what has exactly one form: neither padding nor white space,
 * and no bits behind the last byte.  MDM_OK; MDM_DECLINED: it is none;
 * MDM_ERROR.
 */
mdm_int_t mdm_base64url_decode(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/*
 * Percent-encodes every byte but A-Z a-z 0-9 - . _ ~ @ + and those in the C
 * string "keep".  Used for ids in Redis keys, so a brace, colon or control
 * byte of a device cannot break a hash tag, a key or a log line.
 */
mdm_int_t mdm_escape(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src, const char *keep);

/* the reverse ("+" stays "+"); MDM_DECLINED: a broken "%" sequence */
mdm_int_t mdm_unescape(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/* 1 if s is well-formed UTF-8 without NUL, else 0 */
mdm_uint_t mdm_utf8_valid(const mdm_str_t *s);

/* 1 if UTF-8 holds a control character (C0, DEL, C1, or what ends a line in
   Unicode), else 0 */
mdm_uint_t mdm_utf8_control(const mdm_str_t *s);

/* a random version 4 UUID, upper case, 36 bytes, as Apple's tools write it */
mdm_int_t mdm_uuid(mdm_arena_t *arena, mdm_str_t *dst);


/* what a text from outside may hold, plist or JSON */

typedef struct {
    mdm_uint_t                depth;       /* containers in containers,
                                              MDM_PLIST_DEPTH_MAX at most */
    mdm_uint_t                nodes;       /* values and keys, expanded; a
                                              real in an XML plist is two */
} mdm_limits_t;


#endif /* _MDM_BASE_H_INCLUDED_ */
