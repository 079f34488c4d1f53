
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "ngx_mdm_redis_resp.h"


#define NGX_MDM_REDIS_BLOCK       16384

/* a reader that has seen more than this is made anew when it is empty */
#define NGX_MDM_REDIS_READER_MAX  (256 * 1024)

/* "$", a length and two line ends */
#define NGX_MDM_REDIS_BULK        (1 + NGX_SIZE_T_LEN + 4)

/* what an element of an array is expected to take */
#define NGX_MDM_REDIS_ELEMENT     (sizeof(mdm_reply_t) + 64)


/* the number of elements is size_t from hiredis 1.0 on */

#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_mdm_redis_elements_t;
#else
typedef int     ngx_mdm_redis_elements_t;
#endif


typedef struct {
    ngx_chain_t               link;
    ngx_buf_t                 buf;
} ngx_mdm_redis_block_t;


static u_char *ngx_mdm_redis_out_reserve(ngx_mdm_redis_out_t *out,
    size_t size);
static void ngx_mdm_redis_out_sent(ngx_mdm_redis_out_t *out);
static u_char *ngx_mdm_redis_number(u_char *p, size_t n);
static u_char *ngx_mdm_redis_bulk(u_char *p, const u_char *data, size_t len);

static void *ngx_mdm_redis_create_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_mdm_redis_create_array(const redisReadTask *task,
    ngx_mdm_redis_elements_t elements);
static void *ngx_mdm_redis_create_integer(const redisReadTask *task,
    long long value);
static void *ngx_mdm_redis_create_nil(const redisReadTask *task);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_mdm_redis_create_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_mdm_redis_create_bool(const redisReadTask *task, int value);
#endif
static void ngx_mdm_redis_free_object(void *object);
static mdm_reply_t *ngx_mdm_redis_create(const redisReadTask *task,
    mdm_reply_e type, size_t size);


static redisReplyObjectFunctions  ngx_mdm_redis_functions = {
    .createString = ngx_mdm_redis_create_string,
    .createArray = ngx_mdm_redis_create_array,
    .createInteger = ngx_mdm_redis_create_integer,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_mdm_redis_create_double,
    .createBool = ngx_mdm_redis_create_bool,
#endif
    .createNil = ngx_mdm_redis_create_nil,
    .freeObject = ngx_mdm_redis_free_object
};


ngx_int_t
ngx_mdm_redis_out_call(ngx_mdm_redis_out_t *out, mdm_call_t *call,
    ngx_uint_t flags)
{
    size_t               size;
    u_char              *p;
    mdm_uint_t           i;
    ngx_uint_t           eval, pair;
    const mdm_script_t  *script;

    script = call->script;

    eval = flags & NGX_MDM_REDIS_EVAL;
    pair = (flags & NGX_MDM_REDIS_PAIR) ? 1 : 0;

    size = NGX_MDM_REDIS_BULK                       /* "*N" */
           + sizeof("$7\r\nEVALSHA\r\n") - 1
           + NGX_MDM_REDIS_BULK + (eval ? script->body.len : script->sha1.len)
           + sizeof("$1\r\n1\r\n") - 1
           + (NGX_MDM_REDIS_BULK + call->key.len + 1) * 2
           + sizeof("*1\r\n$6\r\nASKING\r\n") - 1;

    for (i = 0; i < call->nargs; i++) {
        size += NGX_MDM_REDIS_BULK + call->args[i].len;
    }

    p = ngx_mdm_redis_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (flags & NGX_MDM_REDIS_ASKING) {
        p = ngx_cpymem(p, "*1\r\n$6\r\nASKING\r\n",
                       sizeof("*1\r\n$6\r\nASKING\r\n") - 1);
    }

    *p++ = '*';
    p = ngx_mdm_redis_number(p, call->nargs + 4 + pair);

    if (eval) {
        p = ngx_cpymem(p, "$4\r\nEVAL\r\n", sizeof("$4\r\nEVAL\r\n") - 1);
        p = ngx_mdm_redis_bulk(p, script->body.data, script->body.len);

    } else {
        p = ngx_cpymem(p, "$7\r\nEVALSHA\r\n$40\r\n",
                       sizeof("$7\r\nEVALSHA\r\n$40\r\n") - 1);
        p = ngx_cpymem(p, script->sha1.data, 40);
        *p++ = CR; *p++ = LF;
    }

    p = ngx_cpymem(p, pair ? "$1\r\n2\r\n" : "$1\r\n1\r\n",
                   sizeof("$1\r\n1\r\n") - 1);
    p = ngx_mdm_redis_bulk(p, call->key.data, call->key.len);

    if (pair) {
        *p++ = '$';
        p = ngx_mdm_redis_number(p, call->key.len + 1);
        p = ngx_cpymem(p, call->key.data, call->key.len);
        *p++ = ':';
        *p++ = CR; *p++ = LF;
    }

    for (i = 0; i < call->nargs; i++) {
        p = ngx_mdm_redis_bulk(p, call->args[i].data, call->args[i].len);
    }

    out->last->buf->last = p;

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_out_command(ngx_mdm_redis_out_t *out, const ngx_str_t *argv,
    ngx_uint_t argc)
{
    size_t       size;
    u_char      *p;
    ngx_uint_t   i;

    size = NGX_MDM_REDIS_BULK;

    for (i = 0; i < argc; i++) {
        size += NGX_MDM_REDIS_BULK + argv[i].len;
    }

    p = ngx_mdm_redis_out_reserve(out, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p++ = '*';
    p = ngx_mdm_redis_number(p, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_mdm_redis_bulk(p, argv[i].data, argv[i].len);
    }

    out->last->buf->last = p;

    return NGX_OK;
}


/* room in one piece; the caller moves the buffer's end */

static u_char *
ngx_mdm_redis_out_reserve(ngx_mdm_redis_out_t *out, size_t size)
{
    size_t                  room;
    ngx_buf_t              *b;
    ngx_chain_t            *cl;
    ngx_mdm_redis_block_t  *block;

    if (out->last != NULL) {
        b = out->last->buf;

        if ((size_t) (b->end - b->last) >= size) {
            return b->last;
        }
    }

    if (out->spare != NULL && size <= NGX_MDM_REDIS_BLOCK) {
        cl = out->spare;
        out->spare = NULL;

    } else {
        room = ngx_max(size, NGX_MDM_REDIS_BLOCK);

        block = ngx_alloc(sizeof(ngx_mdm_redis_block_t) + room,
                          ngx_cycle->log);
        if (block == NULL) {
            return NULL;
        }

        ngx_memzero(block, sizeof(ngx_mdm_redis_block_t));

        b = &block->buf;
        b->start = (u_char *) block + sizeof(ngx_mdm_redis_block_t);
        b->pos = b->start;
        b->last = b->start;
        b->end = b->start + room;
        b->temporary = 1;

        cl = &block->link;
        cl->buf = b;
    }

    cl->next = NULL;

    if (out->last != NULL) {
        out->last->next = cl;

    } else {
        out->first = cl;
    }

    out->last = cl;

    return cl->buf->last;
}


ngx_int_t
ngx_mdm_redis_out_send(ngx_mdm_redis_out_t *out, ngx_connection_t *c,
    ngx_uint_t *sends)
{
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *rest;

    while (out->first != NULL) {

        if (!c->write->ready) {
            return NGX_AGAIN;
        }

        (*sends)++;

        if (out->first->next == NULL) {
            b = out->first->buf;

            n = c->send(c, b->pos, b->last - b->pos);

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (n == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            b->pos += n;

        } else {
            rest = c->send_chain(c, out->first, 0);

            if (rest == NGX_CHAIN_ERROR) {
                return NGX_ERROR;
            }
        }

        ngx_mdm_redis_out_sent(out);
    }

    return NGX_OK;
}


/* frees blocks that have been sent */

static void
ngx_mdm_redis_out_sent(ngx_mdm_redis_out_t *out)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (out->first != NULL) {
        cl = out->first;
        b = cl->buf;

        if (b->pos != b->last) {
            return;
        }

        out->first = cl->next;

        if (out->first == NULL) {
            out->last = NULL;
        }

        if (out->spare == NULL && b->end - b->start == NGX_MDM_REDIS_BLOCK) {
            b->pos = b->start;
            b->last = b->start;
            out->spare = cl;

        } else {
            ngx_free(cl);
        }
    }
}


void
ngx_mdm_redis_out_free(ngx_mdm_redis_out_t *out)
{
    ngx_chain_t  *cl;

    while (out->first != NULL) {
        cl = out->first;
        out->first = cl->next;
        ngx_free(cl);
    }

    out->last = NULL;

    if (out->spare != NULL) {
        ngx_free(out->spare);
        out->spare = NULL;
    }
}


/* a decimal number and the line end */

static u_char *
ngx_mdm_redis_number(u_char *p, size_t n)
{
    if (n < 10) {
        *p++ = (u_char) ('0' + n);

    } else if (n < 100) {
        *p++ = (u_char) ('0' + n / 10);
        *p++ = (u_char) ('0' + n % 10);

    } else {
        p = ngx_sprintf(p, "%uz", n);
    }

    *p++ = CR; *p++ = LF;

    return p;
}


static u_char *
ngx_mdm_redis_bulk(u_char *p, const u_char *data, size_t len)
{
    *p++ = '$';
    p = ngx_mdm_redis_number(p, len);

    if (len != 0) {
        p = ngx_cpymem(p, data, len);
    }

    *p++ = CR; *p++ = LF;

    return p;
}


ngx_int_t
ngx_mdm_redis_reader_init(ngx_mdm_redis_reader_t *reader)
{
    ngx_memzero(reader, sizeof(ngx_mdm_redis_reader_t));

    reader->hiredis = redisReaderCreateWithFunctions(&ngx_mdm_redis_functions);
    if (reader->hiredis == NULL) {
        return NGX_ERROR;
    }

    reader->hiredis->privdata = reader;

    return NGX_OK;
}


void
ngx_mdm_redis_reader_free(ngx_mdm_redis_reader_t *reader)
{
    if (reader->hiredis != NULL) {
        redisReaderFree(reader->hiredis);
        reader->hiredis = NULL;
    }

    mdm_arena_destroy(reader->arena);
    reader->arena = NULL;
}


ngx_int_t
ngx_mdm_redis_reader_feed(ngx_mdm_redis_reader_t *reader, u_char *data,
    size_t len)
{
    redisReader  *hr;

    hr = reader->hiredis;

    if (hr->len - hr->pos + len > NGX_MDM_REDIS_REPLY_MAX) {
        reader->error = "a reply is too large";
        return NGX_ERROR;
    }

    if (redisReaderFeed(hr, (char *) data, len) != REDIS_OK) {
        reader->error = "no memory for a reply";
        return NGX_ERROR;
    }

    reader->fed += len;

    return NGX_OK;
}


ngx_int_t
ngx_mdm_redis_reader_get(ngx_mdm_redis_reader_t *reader, mdm_reply_t **reply,
    mdm_arena_t **arena)
{
    void  *object;

    object = NULL;

    if (redisReaderGetReply(reader->hiredis, &object) != REDIS_OK) {

        if (reader->error == NULL) {
            reader->error = (reader->hiredis->err == REDIS_ERR_OOM)
                            ? "no memory for a reply"
                            : "the server does not speak the redis protocol";
        }

        return NGX_ERROR;
    }

    if (object == NULL) {
        return NGX_AGAIN;
    }

    *reply = object;
    *arena = reader->arena;

    reader->arena = NULL;

    return NGX_OK;
}


ngx_uint_t
ngx_mdm_redis_reader_started(ngx_mdm_redis_reader_t *reader)
{
    redisReader  *hr;

    hr = reader->hiredis;

    return (reader->arena != NULL || hr->len > hr->pos);
}


ngx_int_t
ngx_mdm_redis_reader_shrink(ngx_mdm_redis_reader_t *reader)
{
    if (reader->fed <= NGX_MDM_REDIS_READER_MAX
        || ngx_mdm_redis_reader_started(reader))
    {
        return NGX_OK;
    }

    ngx_mdm_redis_reader_free(reader);

    return ngx_mdm_redis_reader_init(reader);
}


static void *
ngx_mdm_redis_create_string(const redisReadTask *task, char *str, size_t len)
{
    u_char       *p;
    mdm_reply_e   type;
    mdm_reply_t  *reply;

    type = (task->type == REDIS_REPLY_ERROR) ? MDM_REPLY_ERROR
                                             : MDM_REPLY_STRING;

    reply = ngx_mdm_redis_create(task, type, len);
    if (reply == NULL) {
        return NULL;
    }

    p = (u_char *) reply + sizeof(mdm_reply_t);

    if (len != 0) {
        ngx_memcpy(p, str, len);
    }

    reply->str.data = p;
    reply->str.len = len;

    return reply;
}


static void *
ngx_mdm_redis_create_array(const redisReadTask *task,
    ngx_mdm_redis_elements_t elements)
{
    u_char       *p;
    size_t        n;
    mdm_reply_t  *reply;

    n = (size_t) elements;

    /* an element takes a reply and the pointer to it at the least */

    if (n > NGX_MDM_REDIS_REPLY_MAX
            / (sizeof(mdm_reply_t) + sizeof(mdm_reply_t *)))
    {
        ((ngx_mdm_redis_reader_t *) task->privdata)->error =
                                                       "a reply is too large";
        return NULL;
    }

    reply = ngx_mdm_redis_create(task, MDM_REPLY_ARRAY,
                                 n * sizeof(mdm_reply_t *));
    if (reply == NULL) {
        return NULL;
    }

    p = (u_char *) reply + sizeof(mdm_reply_t);

    ngx_memzero(p, n * sizeof(mdm_reply_t *));

    reply->elements = (mdm_reply_t **) (void *) p;
    reply->nelements = n;

    return reply;
}


static void *
ngx_mdm_redis_create_integer(const redisReadTask *task, long long value)
{
    mdm_reply_t  *reply;

    reply = ngx_mdm_redis_create(task, MDM_REPLY_INTEGER, 0);

    if (reply != NULL) {
        reply->integer = value;
    }

    return reply;
}


static void *
ngx_mdm_redis_create_nil(const redisReadTask *task)
{
    return ngx_mdm_redis_create(task, MDM_REPLY_NIL, 0);
}


#if (HIREDIS_MAJOR >= 1)

/* RESP3 only, which is never asked for */

static void *
ngx_mdm_redis_create_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    (void) value;

    return ngx_mdm_redis_create_string(task, str, len);
}


static void *
ngx_mdm_redis_create_bool(const redisReadTask *task, int value)
{
    return ngx_mdm_redis_create_integer(task, value);
}

#endif


static void
ngx_mdm_redis_free_object(void *object)
{
    /* all objects of a reply live in its arena */

    (void) object;
}


/* a reply with "size" bytes behind it, put into its parent */

static mdm_reply_t *
ngx_mdm_redis_create(const redisReadTask *task, mdm_reply_e type, size_t size)
{
    size_t                   room, more;
    mdm_reply_t             *reply, *parent;
    ngx_mdm_redis_reader_t  *reader;

    reader = task->privdata;

    room = sizeof(mdm_reply_t) + size;

    if (task->parent == NULL) {
        reader->size = 0;
    }

    reader->size += room;

    if (reader->size > NGX_MDM_REDIS_REPLY_MAX) {
        reader->error = "a reply is too large";
        return NULL;
    }

    if (task->parent == NULL) {

        /* what a short array of short strings needs goes into one block */

        more = (type == MDM_REPLY_ARRAY)
               ? size / sizeof(mdm_reply_t *) * NGX_MDM_REDIS_ELEMENT
               : 0;

        reader->arena = mdm_arena_create(room
                                      + ngx_min(more, NGX_MDM_REDIS_BLOCK));
        if (reader->arena == NULL) {
            return NULL;
        }
    }

    reply = mdm_arena_alloc(reader->arena, room);
    if (reply == NULL) {
        return NULL;
    }

    ngx_memzero(reply, sizeof(mdm_reply_t));

    reply->type = type;

    if (task->parent != NULL) {
        parent = task->parent->obj;
        parent->elements[task->idx] = reply;
    }

    return reply;
}
