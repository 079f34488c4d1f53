
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lists of enrollment ids, grouped by partition in linear time.
 */


#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_key.h"


static mdm_int_t mdm_api_ids_parse(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_str_t *segment, mdm_uint_t encoded);
static mdm_uint_t mdm_api_ids_find(mdm_api_ids_t *list,
    const mdm_api_id_t *id);
static mdm_int_t mdm_api_ids_round(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_api_ids_calls_t *calls);
static void mdm_api_ids_replies(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_api_ids_calls_t *calls);
static uint32_t *mdm_api_ids_place(const mdm_api_ids_t *list,
    const mdm_str_t *key);


/* what stands for itself in a path and in a key: A-Z a-z 0-9 - . _ ~ @ + : */

static const uint32_t  mdm_api_ids_plain[] = {
    0x00000000,

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x07ff6800, /* 0000 0111 1111 1111  0110 1000 0000 0000 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x87ffffff, /* 1000 0111 1111 1111  1111 1111 1111 1111 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x47fffffe, /* 0100 0111 1111 1111  1111 1111 1111 1110 */

    0x00000000, 0x00000000, 0x00000000, 0x00000000
};


mdm_int_t
mdm_api_ids_init(mdm_exchange_t *x, mdm_api_ids_t *list, mdm_uint_t n)
{
    mdm_uint_t  size;

    memset(list, 0, sizeof(mdm_api_ids_t));

    list->ids = mdm_arena_alloc(x->arena, n * sizeof(mdm_api_id_t));
    if (list->ids == NULL) {
        return MDM_ERROR;
    }

    /* open addressing, at most half full */

    for (size = 4; size < 2 * n; size *= 2) { /* void */ }

    list->mask = size - 1;

    list->table = mdm_arena_zalloc(x->arena, size * sizeof(uint32_t));
    if (list->table == NULL) {
        return MDM_ERROR;
    }

    return mdm_hash_key(&list->hash);
}


mdm_int_t
mdm_api_ids_add(mdm_exchange_t *x, mdm_api_ids_t *list, const mdm_str_t *id)
{
    mdm_int_t   rc;
    mdm_uint_t  n;

    n = list->n;

    rc = mdm_api_ids_parse(x, list, id, 0);

    if (rc == MDM_OK && list->n != n && list->ids[n].error != NULL) {
        list->n = n;
        list->failed--;
        return MDM_DECLINED;
    }

    return rc;
}


mdm_int_t
mdm_api_ids_read(mdm_exchange_t *x, mdm_uint_t i, mdm_api_ids_t *list)
{
    u_char      *p, *comma, *end;
    mdm_str_t    segment, id;
    mdm_uint_t   count;

    segment = x->param[i];
    end = segment.data + segment.len;
    count = 1;

    for (p = segment.data;
         (p = memchr(p, ',', (size_t) (end - p))) != NULL;
         p++)
    {
        count++;
    }

    if (count > x->settings->api_ids) {
        return mdm_exchange_refuse(x, 400, "%lu ids in one call: at most %lu "
                                   "are allowed", (unsigned long) count,
                                   (unsigned long) x->settings->api_ids);
    }

    if (mdm_api_ids_init(x, list, count) != MDM_OK) {
        return MDM_ERROR;
    }

    for (p = segment.data; /* void */ ; p = comma + 1) {

        comma = memchr(p, ',', (size_t) (end - p));

        id.data = p;
        id.len = (size_t) (((comma != NULL) ? comma : end) - p);

        if (mdm_api_ids_parse(x, list, &id, 1) != MDM_OK) {
            return MDM_ERROR;
        }

        if (comma == NULL) {
            break;
        }
    }

    if (list->n == 1) {
        x->enrollment_id = list->ids[0].name;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_ids_parse(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_str_t *segment, mdm_uint_t encoded)
{
    u_char            c, *colon;
    size_t            i;
    mdm_int_t         rc;
    mdm_str_t         device;
    mdm_api_id_t     *id;
    mdm_enrollment_t  en;

    id = &list->ids[list->n];

    id->name = *segment;
    id->key = *segment;
    id->error = NULL;
    id->already = 0;
    id->partition = 0;

    for (i = 0; i < segment->len; i++) {
        c = segment->data[i];

        if (!(mdm_api_ids_plain[c >> 5] & (1U << (c & 0x1f)))) {
            break;
        }
    }

    if (i == segment->len && i != 0 && i <= MDM_ID_MAX) {

        /* as good as always: the id is its own key form */

        device = *segment;
        colon = memchr(segment->data, ':', segment->len);

        if (colon != NULL) {
            device.len = (size_t) (colon - segment->data);
        }

        rc = (device.len != 0 && device.len + 1 != segment->len)
             ? MDM_OK : MDM_DECLINED;

        id->partition = mdm_partition(&device, x->settings->store->partitions);

    } else {

        rc = encoded ? mdm_unescape(x->arena, &id->name, segment) : MDM_OK;

        if (rc == MDM_OK) {
            rc = mdm_enrollment_from_id(x->arena, &id->name, &x->tenant,
                                        x->settings->store->partitions, &en);
        }

        if (rc == MDM_OK) {
            id->key = en.id_key;
            id->partition = en.partition;
        }
    }

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc == MDM_DECLINED) {
        id->error = MDM_API_NO_ID;
    }

    if (mdm_api_ids_find(list, id)) {
        return MDM_OK;
    }

    list->n++;

    if (id->error != NULL) {
        list->failed++;
    }

    return MDM_OK;
}


/* 1: it is there already; 0: it was put in as the next one */

static mdm_uint_t
mdm_api_ids_find(mdm_api_ids_t *list, const mdm_api_id_t *id)
{
    uint32_t  *place;

    place = mdm_api_ids_place(list, &id->key);

    if (*place != 0) {
        return 1;
    }

    *place = (uint32_t) list->n + 1;

    return 0;
}


mdm_uint_t
mdm_api_ids_has(const mdm_api_ids_t *list, const mdm_str_t *key)
{
    return *mdm_api_ids_place(list, key) != 0;
}


/* where it is in the table, or would be: there 0 stands */

static uint32_t *
mdm_api_ids_place(const mdm_api_ids_t *list, const mdm_str_t *key)
{
    mdm_uint_t  i;

    for (i = mdm_hash(&list->hash, key) & list->mask;
         list->table[i] != 0;
         i = (i + 1) & list->mask)
    {
        if (mdm_str_eq(&list->ids[list->table[i] - 1].key, key)) {
            break;
        }
    }

    return &list->table[i];
}


mdm_int_t
mdm_api_ids_group(mdm_exchange_t *x, mdm_api_ids_t *list, mdm_uint_t size)
{
    uint32_t          *first, n, p, partitions;
    mdm_uint_t         i, nchunks;
    mdm_api_id_t     **sorted;
    mdm_api_chunk_t   *chunk;

    partitions = x->settings->store->partitions;

    /* a counting sort */

    first = mdm_arena_zalloc(x->arena, (partitions + 1) * sizeof(uint32_t));
    sorted = mdm_arena_alloc(x->arena, list->n * sizeof(mdm_api_id_t *));

    if (first == NULL || sorted == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < list->n; i++) {
        if (list->ids[i].error == NULL) {
            first[list->ids[i].partition + 1]++;
        }
    }

    nchunks = 0;

    for (p = 0; p < partitions; p++) {
        nchunks += (first[p + 1] + size - 1) / size;
        first[p + 1] += first[p];
    }

    for (i = 0; i < list->n; i++) {
        if (list->ids[i].error == NULL) {
            sorted[first[list->ids[i].partition]++] = &list->ids[i];
        }
    }

    /* first[p] is where p ends now */

    list->chunks = mdm_arena_zalloc(x->arena,
                                    nchunks * sizeof(mdm_api_chunk_t));
    if (list->chunks == NULL) {
        return MDM_ERROR;
    }

    list->nchunks = nchunks;
    chunk = list->chunks;
    n = 0;

    for (p = 0; p < partitions; p++) {

        for ( /* void */ ; n < first[p]; n += (uint32_t) chunk++->n) {

            chunk->ids = &sorted[n];
            chunk->n = first[p] - n;

            if (chunk->n > size) {
                chunk->n = size;
            }

            if (chunk != list->chunks && n != 0
                && sorted[n - 1]->partition == p)
            {
                chunk->tag = chunk[-1].tag;
                continue;
            }

            if (mdm_key_partition(x->arena, &chunk->tag, &x->tenant, p)
                != MDM_OK)
            {
                return MDM_ERROR;
            }
        }
    }

    return MDM_OK;
}


void
mdm_api_ids_fail(mdm_api_ids_t *list, mdm_api_chunk_t *chunk, mdm_uint_t i,
    const char *error)
{
    if (i < chunk->n && chunk->ids[i]->error == NULL) {
        chunk->ids[i]->error = error;
        list->failed++;
    }
}


void
mdm_api_ids_fail_chunk(mdm_api_ids_t *list, mdm_api_chunk_t *chunk,
    const char *error)
{
    for ( /* void */ ; chunk->done < chunk->n; chunk->done++) {
        mdm_api_ids_fail(list, chunk, chunk->done, error);
    }
}


mdm_int_t
mdm_api_ids_call(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_call_t *call)
{
    if (call->rc == MDM_CALL_OK) {
        list->done++;
        return MDM_OK;
    }

    if (call->rc == MDM_CALL_UNAVAILABLE) {
        list->unavailable++;
        mdm_api_ids_fail_chunk(list, chunk, MDM_API_UNAVAILABLE);
        return MDM_DECLINED;
    }

    mdm_exchange_log(x, MDM_LOG_ERROR, "the script \"%.*s\" failed",
                     mdm_fmt(&call->script->name));
    mdm_api_ids_fail_chunk(list, chunk, MDM_API_FAILED);

    return MDM_DECLINED;
}


mdm_uint_t
mdm_api_ids_status(const mdm_api_ids_t *list)
{
    if (list->failed == 0) {
        return 200;
    }

    if (list->unavailable != 0 && list->done == 0) {
        return 503;
    }

    return (list->failed == list->n) ? 500 : 207;
}


mdm_int_t
mdm_api_ids_full(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_call_t *call)
{
    mdm_str_t  error;

    if (mdm_exchange_full_error(x, call, &error) != MDM_OK) {
        return MDM_ERROR;
    }

    list->full += chunk->n - chunk->done;

    mdm_api_ids_fail_chunk(list, chunk, (const char *) error.data);

    return MDM_OK;
}


/* the same call later is good */

mdm_uint_t
mdm_api_ids_full_status(mdm_exchange_t *x, const mdm_api_ids_t *list,
    mdm_uint_t status)
{
    if (status != 500 || list->full != list->n) {
        return status;
    }

    (void) mdm_exchange_busy(x);
    mdm_str_set(&x->error, "the outbox is full");

    return 503;
}


mdm_int_t
mdm_api_ids_answer(mdm_exchange_t *x, mdm_api_ids_t *list)
{
    mdm_uint_t       i, status;
    mdm_api_id_t    *id;
    mdm_json_out_t   j;

    if (list->failed == 0) {
        return mdm_exchange_empty(x, 204);
    }

    status = mdm_api_ids_status(list);

    if (status == 503) {
        return mdm_exchange_unavailable(x);
    }

    mdm_json_init(&j, x->arena, 64 + 96 * list->failed);

    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "status", '{');

    for (i = 0; i < list->n; i++) {
        id = &list->ids[i];

        if (id->error != NULL) {
            mdm_json_key(&j, &id->name);
            mdm_json_text(&j, NULL, id->error);
        }
    }

    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, status);
}


mdm_int_t
mdm_api_ids_step(mdm_exchange_t *x, mdm_uint_t n,
    const mdm_api_ids_calls_t *calls)
{
    mdm_int_t       rc;
    mdm_api_ids_t  *list;

    if (x->state != 0) {
        list = x->ctx;

        mdm_api_ids_replies(x, list, calls);

        return mdm_api_ids_round(x, list, calls);
    }

    list = mdm_arena_alloc(x->arena, sizeof(mdm_api_ids_t));
    if (list == NULL) {
        return MDM_ERROR;
    }

    x->ctx = list;

    rc = mdm_api_ids_read(x, n, list);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_ids_group(x, list, calls->size) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_api_ids_round(x, list, calls);
}


static mdm_int_t
mdm_api_ids_round(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_api_ids_calls_t *calls)
{
    mdm_str_t        *args;
    mdm_uint_t        i, k, n;
    mdm_api_chunk_t  *chunk;

    n = 0;

    for (i = 0; i < list->nchunks && n < MDM_API_ROUND; i++) {
        n += (list->chunks[i].done < list->chunks[i].n);
    }

    if (n == 0) {
        return mdm_api_ids_answer(x, list);
    }

    if (mdm_exchange_calls(x, n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    chunk = list->chunks;

    for (i = 0; i < n; chunk++) {

        if (chunk->done == chunk->n) {
            continue;
        }

        args = calls->call(x, i++, &chunk->tag, chunk->n - chunk->done);
        if (args == NULL) {
            return MDM_ERROR;
        }

        for (k = chunk->done; k < chunk->n; k++) {
            *args++ = chunk->ids[k]->key;
        }
    }

    return MDM_CALL;
}


static void
mdm_api_ids_replies(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_api_ids_calls_t *calls)
{
    int64_t           n;
    mdm_uint_t        i;
    mdm_call_t       *call;
    mdm_api_chunk_t  *chunk;

    chunk = list->chunks;

    for (i = 0; i < x->ncalls; chunk++) {

        if (chunk->done == chunk->n) {
            continue;
        }

        call = &x->calls[i++];

        if (mdm_api_ids_call(x, list, chunk, call) != MDM_OK) {
            continue;
        }

        n = calls->reply(list, chunk, call->reply);

        if (n < 1 || n > (int64_t) (chunk->n - chunk->done)) {
            mdm_api_ids_fail_chunk(list, chunk, MDM_API_FAILED);
            continue;
        }

        chunk->done += (mdm_uint_t) n;
    }
}
