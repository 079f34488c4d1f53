
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Writes calls in RESP and reads the replies of a server into mdm_reply_t.
 */


#include "ngx_mdm_redis_resp.h"


/* what the elements of a short array get beforehand, at most */
#define NGX_MDM_REDIS_ROOM        16384

/* a reader that has seen more than this is made anew when it is empty */
#define NGX_MDM_REDIS_READER_MAX  (256 * 1024)

/* what an element of an array is expected to take */
#define NGX_MDM_REDIS_ELEMENT     (sizeof(mdm_reply_t) + 64)


/* the number of elements is size_t from hiredis 1.0 on */

#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_mdm_redis_elements_t;
#else
typedef int     ngx_mdm_redis_elements_t;
#endif


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


mdm_arena_pool_t  ngx_mdm_redis_arenas = { NULL, 0, NGX_MDM_REDIS_ARENAS };


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

        reader->arena = mdm_arena_create_from(&ngx_mdm_redis_arenas,
                                 room + ngx_min(more, NGX_MDM_REDIS_ROOM));
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
