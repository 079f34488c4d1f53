
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT, POST /v1/enqueue/ID[,ID…]: one command to many channels.
 */


#include "mdm_api.h"
#include "mdm_api_ids.h"
#include "mdm_api_json.h"
#include "mdm_api_owed.h"
#include "mdm_api_target.h"
#include "mdm_command.h"
#include "mdm_exchange_secret.h"
#include "mdm_json.h"
#include "mdm_key.h"


#define MDM_API_ENQUEUE_IDS    100       /* a call */
#define MDM_API_ENQUEUE_BUDGET "100"     /* see the script */

#define MDM_API_ENQUEUE_SEALS  8         /* tries of plain bodies */

#define MDM_API_ENQUEUE_PLAIN  -2        /* of the script: see same() */

#define MDM_API_ENQUEUE_NOT_ENROLLED  1
#define MDM_API_ENQUEUE_FULL          2
#define MDM_API_ENQUEUE_ALREADY       3


typedef struct {
    mdm_command_t             command;
    mdm_uint_t                validate;    /* as mdm_validate_e */
    mdm_api_ids_t             list;
    mdm_str_t                 args[MDM_NARGS_ENQUEUE];
                                           /* but for those of events */
    mdm_uint_t                next;        /* chunk: those before it have
                                              their outcome */
    mdm_api_chunk_t         **round;       /* those that calls are for */
    mdm_str_t                *plain;       /* bodies that are kept, */
    mdm_api_chunk_t         **sealed;      /* and of which chunks */
    mdm_uint_t                nplain;
    mdm_uint_t                seals;       /* rounds that got nothing on */
    mdm_uint_t                already;     /* ids that have it already */
    mdm_uint_t                queued;      /* ids that have it now */
    mdm_api_owed_t            owed;        /* pushes of this call's own */
    mdm_arena_t              *arena;       /* of a round: sealed bodies */
} mdm_api_enqueue_t;


enum {
    MDM_API_ENQUEUE_BEGIN = 0,
    MDM_API_ENQUEUE_TARGET,
    MDM_API_ENQUEUE_QUEUED,
    MDM_API_ENQUEUE_SEALED,
    MDM_API_ENQUEUE_WOKEN
};


static mdm_int_t mdm_api_enqueue_command(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_target(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static void mdm_api_enqueue_free(void *data);
static mdm_int_t mdm_api_enqueue_round(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_uint_t mdm_api_enqueue_chunks(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_seal(mdm_exchange_t *x,
    mdm_api_enqueue_t *en, const mdm_str_t *tag);
static mdm_int_t mdm_api_enqueue_pushes(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_replies(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_uint_t mdm_api_enqueue_plain(mdm_exchange_t *x,
    mdm_api_enqueue_t *en, mdm_uint_t i);
static mdm_int_t mdm_api_enqueue_swap(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_reply(mdm_exchange_t *x,
    mdm_api_enqueue_t *en, mdm_api_chunk_t *chunk, const mdm_reply_t *reply);
static mdm_int_t mdm_api_enqueue_wake(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static void mdm_api_enqueue_status(mdm_json_out_t *j,
    const mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_answer(mdm_exchange_t *x,
    mdm_api_enqueue_t *en);
static void mdm_api_enqueue_already(mdm_json_out_t *j,
    const mdm_api_enqueue_t *en);
static mdm_int_t mdm_api_enqueue_refuse(mdm_exchange_t *x,
    const mdm_str_t *error);


mdm_int_t
mdm_api_enqueue_step(mdm_exchange_t *x)
{
    mdm_int_t           rc;
    mdm_api_enqueue_t  *en;

    en = x->ctx;

    switch (x->state) {

    case MDM_API_ENQUEUE_BEGIN:
        break;

    case MDM_API_ENQUEUE_TARGET:
        return mdm_api_enqueue_target(x, en);

    case MDM_API_ENQUEUE_QUEUED:
        if (mdm_api_enqueue_replies(x, en) != MDM_OK) {
            return MDM_ERROR;
        }

        return (en->nplain != 0) ? mdm_api_enqueue_swap(x, en)
                                 : mdm_api_enqueue_round(x, en);

    case MDM_API_ENQUEUE_SEALED:
        return mdm_api_enqueue_round(x, en);

    default: /* MDM_API_ENQUEUE_WOKEN */
        return mdm_api_enqueue_answer(x, en);
    }

    en = mdm_arena_zalloc(x->arena, sizeof(mdm_api_enqueue_t));
    if (en == NULL) {
        return MDM_ERROR;
    }

    x->ctx = en;

    if (mdm_arena_defer(x->arena, mdm_api_enqueue_free, en) != MDM_OK) {
        return MDM_ERROR;
    }

    rc = mdm_api_ids_read(x, 0, &en->list);

    if (rc == MDM_OK) {
        rc = mdm_api_enqueue_command(x, en);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_api_ids_group(x, &en->list, MDM_API_ENQUEUE_IDS) != MDM_OK
        || mdm_api_enqueue_pushes(x, en) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* of one device it may be known what it supports */

    if (en->validate != MDM_VALIDATE_OFF && en->list.n == 1
        && en->list.nchunks == 1)
    {
        return mdm_api_target_call(x, &en->list.chunks[0].tag,
                                   &en->list.ids[0].key,
                                   MDM_API_ENQUEUE_TARGET);
    }

    return mdm_api_enqueue_round(x, en);
}


static mdm_int_t
mdm_api_enqueue_target(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_int_t            rc;
    mdm_schema_target_t  target;

    mdm_api_target_read(&x->calls[0], &target);

    rc = mdm_schema_command_target(x->arena, &target, en->command.dict,
                                   en->validate == MDM_VALIDATE_STRICT,
                                   &en->command.schema);

    if (rc == MDM_DECLINED) {
        return mdm_api_enqueue_refuse(x, &en->command.schema.error);
    }

    return (rc == MDM_OK) ? mdm_api_enqueue_round(x, en) : rc;
}


static mdm_int_t
mdm_api_enqueue_command(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_int_t            rc;
    mdm_str_t            error, nopush, *args;
    mdm_uint_t           json, validate;
    mdm_limits_t         limits;

    validate = 1;

    rc = mdm_api_arg_flag(x, "validate", &validate);
    if (rc != MDM_OK) {
        return rc;
    }

    x->nopush = (mdm_api_arg(x, "nopush", &nopush) == MDM_OK
                 && mdm_str_is(&nopush, "1"));

    if (x->body.len == 0) {

        if (x->settings->push && !x->nopush) {
            return mdm_exchange_enter(x, mdm_api_push_step, NULL, 0);
        }

        mdm_str_set(&error, "an empty body only pushes, and mdm_push is off");

        if (x->settings->push) {
            mdm_str_set(&error, "an empty body only pushes, and not with "
                        "nopush=1");
        }

        return mdm_api_enqueue_refuse(x, &error);
    }

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    json = mdm_str_begins_i(&x->content_type, "application/json");

    en->validate = validate ? x->settings->validate : MDM_VALIDATE_OFF;

    rc = mdm_command_read(x->arena, &x->body, json, en->validate, &limits,
                          &en->command);

    if (rc == MDM_DECLINED) {

        if (!json && mdm_json_looks(&x->body)) {
            mdm_str_set(&en->command.error, "the body looks like JSON, but "
                        "its Content-Type is not application/json");
        }

        return mdm_api_enqueue_refuse(x, &en->command.error);
    }

    if (rc != MDM_OK) {
        return MDM_ERROR;
    }

    if (!mdm_utf8_valid(&en->command.request_type)) {
        mdm_str_set(&error, "Command.RequestType: not UTF-8");
        return mdm_api_enqueue_refuse(x, &error);
    }

    x->command_uuid = en->command.uuid;
    x->request_type = en->command.request_type;

    args = en->args;

    args[MDM_ARG_ENQUEUE_KIND] = en->command.request_type;
    args[MDM_ARG_ENQUEUE_BODY] = en->command.body;
    mdm_str_set(&args[MDM_ARG_ENQUEUE_BUDGET], MDM_API_ENQUEUE_BUDGET);

    if (mdm_key_uuid(x->arena, &args[MDM_ARG_ENQUEUE_UUID], &en->command.uuid)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_number(x, &args[MDM_ARG_ENQUEUE_ROOM],
                          (int64_t) x->settings->queue_limit);
}


/* does this call wake the channels itself? */

static mdm_int_t
mdm_api_enqueue_pushes(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    if (!x->settings->push || x->nopush) {
        return MDM_OK;
    }

    if (mdm_api_owed_init(x, &en->owed, &en->list) != MDM_OK) {
        return MDM_ERROR;
    }

    if (en->owed.wakes) {
        mdm_str_set(&en->args[MDM_ARG_ENQUEUE_LEASE], MDM_PUSH_LEASE);
    }

    return MDM_OK;
}


static void
mdm_api_enqueue_free(void *data)
{
    mdm_api_enqueue_t *en = data;

    mdm_arena_destroy(en->arena);
}


/*
 * Every call carries the body, so a large one goes out in several rounds
 * rather than some hundred times at once.
 */

static mdm_int_t
mdm_api_enqueue_round(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_str_t        *args, *tag;
    mdm_uint_t        i, k, n, nids;
    mdm_api_chunk_t  *chunk;

    mdm_arena_destroy(en->arena);
    en->arena = NULL;

    n = mdm_api_enqueue_chunks(x, en);

    if (n == 0) {
        return mdm_api_enqueue_wake(x, en);
    }

    if (en->round == NULL
        || mdm_exchange_calls(x, n + en->owed.grants,
                              MDM_API_ENQUEUE_QUEUED)
           != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    tag = NULL;
    nids = 0;

    for (i = 0; i < n; i++) {
        chunk = en->round[i];

        if ((tag == NULL || !mdm_str_eq(tag, &chunk->tag))
            && mdm_api_enqueue_seal(x, en, &chunk->tag) != MDM_OK)
        {
            return MDM_ERROR;
        }

        tag = &chunk->tag;

        args = mdm_exchange_call(x, i, &mdm_script_enqueue, &chunk->tag,
                                 chunk->n - chunk->done);
        if (args == NULL) {
            return MDM_ERROR;
        }

        memcpy(args + MDM_NARGS_EVENT, en->args + MDM_NARGS_EVENT,
               (MDM_NARGS_ENQUEUE - MDM_NARGS_EVENT) * sizeof(mdm_str_t));

        args += MDM_ARG_ENQUEUE_IDS;

        for (k = chunk->done; k < chunk->n; k++) {
            *args++ = chunk->ids[k]->key;
        }

        nids += chunk->n - chunk->done;
    }

    return mdm_api_owed_grant(x, &en->owed, n, nids);
}


/* the chunks of the next round: how many; 0: all have their outcome */

static mdm_uint_t
mdm_api_enqueue_chunks(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_uint_t        i, n, most;
    mdm_api_chunk_t  *chunk;

    most = MDM_API_ROUND_BYTES / (en->command.body.len + 1) + 1;

    if (most > MDM_API_ROUND) {
        most = MDM_API_ROUND;
    }

    if (en->round == NULL) {
        en->round = mdm_arena_alloc(x->arena,
                                    most * sizeof(mdm_api_chunk_t *));
    }

    n = 0;

    for (i = en->next; i < en->list.nchunks && n < most; i++) {
        chunk = &en->list.chunks[i];

        if (chunk->done == chunk->n) {
            en->next += (n == 0);
            continue;
        }

        if (en->round != NULL) {
            en->round[n] = chunk;
        }

        n++;
    }

    return n;
}


/* the body for a partition: what is sealed is bound to its key there */

static mdm_int_t
mdm_api_enqueue_seal(mdm_exchange_t *x, mdm_api_enqueue_t *en,
    const mdm_str_t *tag)
{
    mdm_str_t           *body;
    mdm_secret_where_t   where;

    if (mdm_exchange_secrets(x) == NULL) {
        return MDM_OK;
    }

    if (en->arena == NULL) {
        en->arena = mdm_arena_create(4096);
        if (en->arena == NULL) {
            return MDM_ERROR;
        }
    }

    body = &en->args[MDM_ARG_ENQUEUE_BODY];

    mdm_where_command(&where, tag, &en->args[MDM_ARG_ENQUEUE_UUID]);

    *body = en->command.body;

    return mdm_exchange_seal(x, en->arena, &where, body,
                             &en->args[MDM_ARG_ENQUEUE_NAMES]);
}


static mdm_int_t
mdm_api_enqueue_replies(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_call_t       *call;
    mdm_uint_t        i, n, answered;
    mdm_api_ids_t    *list;
    mdm_api_chunk_t  *chunk;

    list = &en->list;
    en->nplain = 0;
    answered = 0;
    n = mdm_api_owed_granted(x, &en->owed);

    for (i = 0; i < n; i++) {
        chunk = en->round[i];
        call = &x->calls[i];

        if (mdm_api_ids_call(x, list, chunk, call) != MDM_OK) {
            continue;
        }

        if (mdm_reply_code(call->reply, -1) == MDM_API_ENQUEUE_PLAIN) {

            /* what somebody else has put there is not sealed for him */

            if (x->settings->store->encryption_required) {
                mdm_api_ids_fail_chunk(list, chunk, "the command that redis "
                                       "has under this CommandUUID is not "
                                       "encrypted");

            } else if (!mdm_api_enqueue_plain(x, en, i)) {
                mdm_api_ids_fail_chunk(list, chunk, MDM_API_FAILED);
            }

            continue;
        }

        if (mdm_exchange_is_full(call)) {
            if (mdm_api_ids_full(x, list, chunk, call) != MDM_OK) {
                return MDM_ERROR;
            }

            continue;
        }

        if (mdm_reply_code(call->reply, -1) < 0) {
            mdm_api_ids_fail_chunk(list, chunk, "CommandUUID is already used "
                                   "by another command");
            continue;
        }

        if (mdm_api_enqueue_reply(x, en, chunk, call->reply) != MDM_OK) {
            return MDM_ERROR;
        }

        answered = 1;
    }

    if (answered) {
        en->seals = 0;

    } else if (en->nplain != 0) {
        en->seals++;
    }

    return MDM_OK;
}


/* which ids of a chunk have got nothing, and why; what is left comes again */

static mdm_int_t
mdm_api_enqueue_reply(mdm_exchange_t *x, mdm_api_enqueue_t *en,
    mdm_api_chunk_t *chunk, const mdm_reply_t *reply)
{
    size_t       k;
    int64_t      handled;
    const char  *error;
    mdm_uint_t   n;

    handled = mdm_reply_int(reply, MDM_RET_ENQUEUE_HANDLED, 0);

    if (handled < 1 || handled > (int64_t) (chunk->n - chunk->done)) {
        mdm_api_ids_fail_chunk(&en->list, chunk, MDM_API_FAILED);
        return MDM_OK;
    }

    en->queued += (mdm_uint_t) mdm_reply_count(reply, MDM_RET_ENQUEUE_QUEUED,
                                               handled);
    x->queued = en->queued;

    if (en->owed.wakes
        && mdm_api_owed_rows(x, &en->owed, chunk,
                             mdm_reply_at(reply, MDM_RET_ENQUEUE_PUSHES))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    for (k = MDM_RET_ENQUEUE_FAILED;
         mdm_reply_row(reply, k, MDM_NRET_ENQUEUE_FAILED);
         k += MDM_NRET_ENQUEUE_FAILED)
    {
        n = (mdm_uint_t) mdm_reply_int(reply, k + MDM_RET_ENQUEUE_FAILED_I,
                                       -1);
        n = (n < (mdm_uint_t) handled) ? chunk->done + n : chunk->n;

        switch (mdm_reply_int(reply, k + MDM_RET_ENQUEUE_FAILED_CODE, 0)) {

        case MDM_API_ENQUEUE_NOT_ENROLLED:
            error = MDM_API_NOT_ENROLLED;
            break;

        case MDM_API_ENQUEUE_FULL:
            error = "the queue is full";
            break;

        case MDM_API_ENQUEUE_ALREADY:

            if (n < chunk->n && !chunk->ids[n]->already) {
                chunk->ids[n]->already = 1;
                en->already++;
            }

            continue;

        default:
            error = MDM_API_FAILED;
        }

        mdm_api_ids_fail(&en->list, chunk, n, error);
    }

    chunk->done += (mdm_uint_t) handled;

    return MDM_OK;
}


/*
 * The command is there, plain, from before there was a key.  1: it will be
 * sealed, and call i of the round comes again.
 */

static mdm_uint_t
mdm_api_enqueue_plain(mdm_exchange_t *x, mdm_api_enqueue_t *en, mdm_uint_t i)
{
    if (en->seals >= MDM_API_ENQUEUE_SEALS) {
        return 0;
    }

    if (en->nplain == 0) {
        en->plain = mdm_arena_alloc(x->arena, x->ncalls * sizeof(mdm_str_t));
        en->sealed = mdm_arena_alloc(x->arena,
                                    x->ncalls * sizeof(mdm_api_chunk_t *));
    }

    if (en->plain == NULL || en->sealed == NULL) {
        return 0;
    }

    en->sealed[en->nplain] = en->round[i];
    en->plain[en->nplain++] = mdm_reply_str(x->calls[i].reply,
                                            MDM_RET_ENQUEUE_BODY);

    return 1;
}


static mdm_int_t
mdm_api_enqueue_swap(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_uint_t           i, n;
    mdm_secret_where_t   where;

    n = en->nplain;

    if (mdm_exchange_calls(x, n, MDM_API_ENQUEUE_SEALED) != MDM_CALL) {
        return MDM_ERROR;
    }

    /* one that fails is found plain again */

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        mdm_where_command(&where, &en->sealed[i]->tag,
                          &en->args[MDM_ARG_ENQUEUE_UUID]);

        if (mdm_exchange_swap(x, i, &where, &en->plain[i]) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


/* all that could be queued is: those who have it are woken */

static mdm_int_t
mdm_api_enqueue_wake(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    if (!en->owed.wakes) {

        /* too many to wait for: the job has them, at once */

        x->owed = (x->settings->push && !x->nopush && en->queued != 0);

        return mdm_api_enqueue_answer(x, en);
    }

    return mdm_api_owed_wake(x, &en->owed, MDM_API_ENQUEUE_WOKEN);
}


static mdm_int_t
mdm_api_enqueue_answer(mdm_exchange_t *x, mdm_api_enqueue_t *en)
{
    mdm_uint_t             status;
    mdm_json_out_t         j;
    mdm_schema_warning_t  *w;

    status = mdm_api_ids_status(&en->list);

    if (status == 503) {
        return mdm_exchange_unavailable(x);
    }

    status = mdm_api_ids_full_status(x, &en->list, status);

    /* a command that is queued has not failed */

    if (status == 200 && en->owed.failed != 0) {
        status = 207;
    }

    mdm_json_init(&j, x->arena, 256 + 128 * (en->list.failed + en->owed.n));
    mdm_json_open(&j, NULL, '{');

    mdm_api_enqueue_status(&j, en);
    mdm_api_enqueue_already(&j, en);

    if (!x->settings->push || x->nopush) {
        mdm_json_bool(&j, "no_push", 1);

    } else if (!en->owed.wakes) {
        mdm_json_int(&j, "push_owed", (int64_t) en->queued);

        if (mdm_api_owed_note(x, en->queued) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    mdm_json_str(&j, "command_uuid", &en->command.uuid);
    mdm_json_str(&j, "request_type", &en->command.request_type);

    if (en->command.schema.warnings != NULL) {

        mdm_json_open(&j, "warnings", '[');

        for (w = en->command.schema.warnings; w != NULL; w = w->next) {
            mdm_json_str(&j, NULL, &w->text);
        }

        mdm_json_close(&j, ']');
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, status);
}


/* of those who have got nothing, or whom a push was for */

static void
mdm_api_enqueue_status(mdm_json_out_t *j, const mdm_api_enqueue_t *en)
{
    mdm_uint_t     i, open;
    mdm_api_id_t  *id;

    open = 0;

    for (i = 0; i < en->list.n; i++) {
        id = &en->list.ids[i];

        if (id->error == NULL && !mdm_api_owed_has(&en->owed, i)) {
            continue;
        }

        if (!open) {
            mdm_json_open(j, "status", '{');
            open = 1;
        }

        mdm_json_key(j, &id->name);
        mdm_json_open(j, NULL, '{');
        mdm_api_owed_json(j, &en->owed, i);

        if (id->error != NULL) {
            mdm_json_text(j, "command_error", id->error);
        }

        mdm_json_close(j, '}');
    }

    if (open) {
        mdm_json_close(j, '}');
    }
}


/* who has got nothing, because it has this command already */

static void
mdm_api_enqueue_already(mdm_json_out_t *j, const mdm_api_enqueue_t *en)
{
    mdm_uint_t  i;

    if (en->already == 0) {
        return;
    }

    mdm_json_open(j, "already", '[');

    for (i = 0; i < en->list.n; i++) {
        if (en->list.ids[i].already) {
            mdm_json_str(j, NULL, &en->list.ids[i].name);
        }
    }

    mdm_json_close(j, ']');
}


static mdm_int_t
mdm_api_enqueue_refuse(mdm_exchange_t *x, const mdm_str_t *error)
{
    mdm_json_out_t  j;

    /* for the log; the answer is an API result with this error */

    (void) mdm_exchange_refuse(x, 400, "%.*s", mdm_fmt(error));

    mdm_json_init(&j, x->arena, 256);

    mdm_json_open(&j, NULL, '{');
    mdm_json_bool(&j, "no_push", 1);
    mdm_json_str(&j, "command_error", error);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 400);
}
