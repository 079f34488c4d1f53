
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes ngx_mdm_module/ngx_mdm_redis_resp.c: what a server sends, cut into
 * pieces as a socket may cut it.  The first byte of the input tells how many
 * bytes behind it are sizes of pieces, which are used in turn; the rest is the
 * stream.  However it is cut, the same replies come out of it.  A reply that
 * was read is also written, as a call's arguments, and those are read again.
 */


#include "ngx_mdm_redis_resp.h"


#define FUZZ_REPLIES          64
#define FUZZ_DEPTH            16
#define FUZZ_ARGS             16
#define FUZZ_ELEMENTS         100000


typedef struct {
    mdm_reply_t              *replies[FUZZ_REPLIES];
    mdm_arena_t              *arenas[FUZZ_REPLIES];
    ngx_uint_t                n;
    ngx_uint_t                error;
} fuzz_run_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static ngx_uint_t fuzz_slow(const uint8_t *data, size_t size);
static void fuzz_read(fuzz_run_t *run, const uint8_t *cuts, size_t ncuts,
    const uint8_t *data, size_t size);
static void fuzz_free(fuzz_run_t *run);
static ngx_uint_t fuzz_same(const mdm_reply_t *a, const mdm_reply_t *b,
    ngx_uint_t depth);
static void fuzz_write(const mdm_reply_t *reply);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      n, ncuts;
    fuzz_run_t  whole, cut;

    if (size == 0) {
        return 0;
    }

    ncuts = data[0] % 16;

    if (ncuts > size - 1) {
        ncuts = size - 1;
    }

    n = 1 + ncuts;

    if (fuzz_slow(data + n, size - n)) {
        return 0;
    }

    fuzz_read(&whole, NULL, 0, data + n, size - n);
    fuzz_read(&cut, data + 1, ncuts, data + n, size - n);

    if (whole.n != cut.n || whole.error != cut.error) {
        abort();
    }

    for (n = 0; n < whole.n; n++) {

        if (!fuzz_same(whole.replies[n], cut.replies[n], 0)) {
            abort();
        }

        fuzz_write(whole.replies[n]);
    }

    fuzz_free(&whole);
    fuzz_free(&cut);

    return 0;
}


/*
 * To clear the memory of a long array takes milliseconds, and finds nothing;
 * what is too long to be allowed is quick again
 */

static ngx_uint_t
fuzz_slow(const uint8_t *data, size_t size)
{
    size_t    i;
    uint64_t  n;

    for (i = 0; i < size; i++) {

        if (data[i] != '*') {
            continue;
        }

        n = 0;

        while (i + 1 < size && data[i + 1] >= '0' && data[i + 1] <= '9') {
            n = n * 10 + data[++i] - '0';

            if (n > NGX_MDM_REDIS_REPLY_MAX) {
                break;
            }
        }

        if (n > FUZZ_ELEMENTS && n < NGX_MDM_REDIS_REPLY_MAX / 8) {
            return 1;
        }
    }

    return 0;
}


/* as the connection does; no cuts: all at once */

static void
fuzz_read(fuzz_run_t *run, const uint8_t *cuts, size_t ncuts,
    const uint8_t *data, size_t size)
{
    size_t                   len, i;
    u_char                  *piece;
    ngx_int_t                rc;
    mdm_arena_t             *arena;
    mdm_reply_t             *reply;
    ngx_mdm_redis_reader_t   reader;

    run->n = 0;
    run->error = 0;

    if (ngx_mdm_redis_reader_init(&reader) != NGX_OK) {
        abort();
    }

    i = 0;

    while (size != 0 && !run->error) {

        len = size;

        if (ncuts != 0) {
            len = (size_t) cuts[i++ % ncuts] + 1;

            if (len > size) {
                len = size;
            }
        }

        /* of the exact length, so that a byte too far is seen */

        piece = malloc(len);
        if (piece == NULL) {
            abort();
        }

        memcpy(piece, data, len);
        data += len;
        size -= len;

        rc = ngx_mdm_redis_reader_feed(&reader, piece, len);

        free(piece);

        while (rc == NGX_OK) {

            rc = ngx_mdm_redis_reader_get(&reader, &reply, &arena);

            if (rc != NGX_OK) {
                break;
            }

            if (arena == NULL || reply == NULL) {
                abort();
            }

            if (run->n == FUZZ_REPLIES) {
                mdm_arena_destroy(arena);
                continue;
            }

            run->replies[run->n] = reply;
            run->arenas[run->n++] = arena;
        }

        if (rc == NGX_ERROR) {

            if (reader.error == NULL) {
                abort();
            }

            run->error = 1;
            break;
        }

        if (ngx_mdm_redis_reader_shrink(&reader) != NGX_OK) {
            abort();
        }
    }

    (void) ngx_mdm_redis_reader_started(&reader);

    ngx_mdm_redis_reader_free(&reader);
}


static void
fuzz_free(fuzz_run_t *run)
{
    while (run->n != 0) {
        mdm_arena_destroy(run->arenas[--run->n]);
    }
}


static ngx_uint_t
fuzz_same(const mdm_reply_t *a, const mdm_reply_t *b, ngx_uint_t depth)
{
    size_t  i;

    if (a == NULL || b == NULL || depth > FUZZ_DEPTH) {
        abort();
    }

    if (a->type != b->type || a->integer != b->integer
        || a->nelements != b->nelements || !mdm_str_eq(&a->str, &b->str))
    {
        return 0;
    }

    for (i = 0; i < a->nelements; i++) {
        if (!fuzz_same(a->elements[i], b->elements[i], depth + 1)) {
            return 0;
        }
    }

    return 1;
}


/* a call of the reply's strings: on the wire it is an array of them */

static void
fuzz_write(const mdm_reply_t *reply)
{
    size_t               i, len;
    u_char              *p, *wire;
    ngx_buf_t           *b;
    fuzz_run_t           run;
    mdm_str_t            args[FUZZ_ARGS];
    mdm_call_t           call;
    mdm_script_t         script;
    ngx_chain_t         *cl;
    ngx_mdm_peer_out_t  out;

    memset(&out, 0, sizeof(out));
    memset(&call, 0, sizeof(call));
    memset(&script, 0, sizeof(script));

    mdm_str_set(&script.body, "return 1");
    mdm_str_set(&script.sha1, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    mdm_str_set(&call.key, "mdm:{default/1}");

    call.script = &script;
    call.args = args;
    len = 0;

    for (i = 0; i < reply->nelements && call.nargs < FUZZ_ARGS; i++) {
        args[call.nargs++] = reply->elements[i]->str;
    }

    if (call.nargs == 0) {
        args[call.nargs++] = reply->str;
    }

    if (ngx_mdm_redis_out_call(&out, &call, 0) != NGX_OK
        || ngx_mdm_redis_out_call(&out, &call, 1) != NGX_OK
        || ngx_mdm_redis_out_command(&out, (ngx_str_t *) args, call.nargs)
           != NGX_OK)
    {
        abort();
    }

    for (cl = out.first; cl != NULL; cl = cl->next) {
        len += (size_t) (cl->buf->last - cl->buf->pos);
    }

    wire = malloc(len);
    if (wire == NULL) {
        abort();
    }

    p = wire;

    for (cl = out.first; cl != NULL; cl = cl->next) {
        b = cl->buf;
        p = ngx_cpymem(p, b->pos, b->last - b->pos);
    }

    ngx_mdm_peer_out_free(&out);

    fuzz_read(&run, NULL, 0, wire, len);

    free(wire);

    if (run.n != 3 || run.error
        || run.replies[0]->nelements != call.nargs + 4
        || run.replies[1]->nelements != call.nargs + 4
        || run.replies[2]->nelements != call.nargs)
    {
        abort();
    }

    for (i = 0; i < call.nargs; i++) {
        if (!mdm_str_eq(&run.replies[0]->elements[i + 4]->str, &args[i])
            || !mdm_str_eq(&run.replies[1]->elements[i + 4]->str, &args[i])
            || !mdm_str_eq(&run.replies[2]->elements[i]->str, &args[i]))
        {
            abort();
        }
    }

    fuzz_free(&run);
}
