
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET and DELETE /v1/queue/ID/UUID: what became of one command.
 */


#include "mdm_api.h"
#include "mdm_api_audit.h"
#include "mdm_api_json.h"
#include "mdm_api_plist.h"
#include "mdm_api_util.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_report.h"


/* x->state: what is answered */

#define MDM_API_FORMAT_BASE64     1
#define MDM_API_FORMAT_PLIST      2
#define MDM_API_FORMAT_JSON       3
#define MDM_API_COMMAND_INFLATED  4     /* as ctx->format says */


/*
 * Bytes of a compressed result from which on a call of work inflates it: they
 * may become a thousand times as many.
 */
#define MDM_API_COMMAND_LARGE     1024


#define MDM_API_CHAIN_NODES       1000   /* values of an ErrorChain */


#define MDM_API_COMMAND_NONE      0
#define MDM_API_COMMAND_PENDING   1
#define MDM_API_COMMAND_RESULT    2
#define MDM_API_COMMAND_FINISHED  3


/* x->ctx: what mdm_api_command_inflate() reads and writes */

typedef struct {
    mdm_call_t               *call;        /* that of the script */
    mdm_int_t                 format;
    mdm_str_t                 z;
    mdm_str_t                 result;
    mdm_int_t                 rc;
} mdm_api_command_t;


static mdm_int_t mdm_api_command_get_call(mdm_exchange_t *x);
static mdm_int_t mdm_api_command_get_answer(mdm_exchange_t *x);
static mdm_int_t mdm_api_command_plist(mdm_exchange_t *x, int64_t code,
    const mdm_str_t *result, const mdm_str_t *dropped);
static mdm_int_t mdm_api_command_ctx(mdm_exchange_t *x,
    mdm_api_command_t **ctx);
static mdm_int_t mdm_api_command_members(mdm_exchange_t *x,
    mdm_json_out_t *j, const mdm_str_t *result, plist_t tree);
static mdm_int_t mdm_api_command_tree(mdm_exchange_t *x,
    const mdm_str_t *result, plist_t *tree);
static mdm_int_t mdm_api_command_unfit(mdm_exchange_t *x, const char *why);
static mdm_int_t mdm_api_command_chain(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *result);
static const char *mdm_api_command_state(int64_t code,
    const mdm_str_t *status);
static mdm_int_t mdm_api_command_result(mdm_exchange_t *x,
    mdm_api_command_t *c);
static mdm_int_t mdm_api_command_inflate(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_api_command_inflated(mdm_exchange_t *x,
    mdm_api_command_t *c, const mdm_arena_t *arena);


mdm_int_t
mdm_api_command_get_step(mdm_exchange_t *x)
{
    return (x->state == 0) ? mdm_api_command_get_call(x)
                           : mdm_api_command_get_answer(x);
}


static mdm_int_t
mdm_api_command_get_call(mdm_exchange_t *x)
{
    mdm_int_t          rc, state;
    mdm_str_t          uuid, format, *args;
    mdm_enrollment_t   en;

    mdm_str_null(&uuid);

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_uuid(x, 1, &uuid);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg(x, "format", &format);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    state = MDM_API_FORMAT_BASE64;

    if (mdm_str_is(&format, "json")) {
        state = MDM_API_FORMAT_JSON;

    } else if (mdm_str_is(&format, "plist")) {
        state = MDM_API_FORMAT_PLIST;

    } else if (format.len != 0) {
        return mdm_exchange_refuse(x, 400, "the argument \"format\" is "
                                   "neither json nor plist");
    }

    if (mdm_exchange_calls(x, 1, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_command_get, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_COMMAND_GET_ID] = en.id_key;
    args[MDM_ARG_COMMAND_GET_UUID] = uuid;

    return MDM_CALL;
}


static mdm_int_t
mdm_api_command_get_answer(mdm_exchange_t *x)
{
    int64_t             code;
    mdm_int_t           rc;
    mdm_str_t           s, status, result, dropped;
    plist_t             tree;
    mdm_json_out_t      j;
    mdm_api_command_t  *c;
    const mdm_reply_t  *reply;

    rc = mdm_api_command_ctx(x, &c);
    if (rc != MDM_OK) {
        return rc;
    }

    reply = c->call->reply;
    code = mdm_reply_code(reply, -1);

    if (code < 0) {
        return mdm_api_not_enrolled(x);
    }

    if (code == MDM_API_COMMAND_NONE) {
        return mdm_exchange_refuse(x, 404, "this enrollment has no such "
                                   "command");
    }

    tree = NULL;
    mdm_str_null(&result);

    dropped = mdm_reply_str(reply, MDM_RET_COMMAND_GET_DROPPED);
    status = mdm_reply_str(reply, MDM_RET_COMMAND_GET_STATUS);
    x->request_type = mdm_reply_str(reply, MDM_RET_COMMAND_GET_TYPE);

    if (code == MDM_API_COMMAND_RESULT) {

        if (x->calls == c->call) {
            rc = mdm_api_command_result(x, c);
            if (rc != MDM_OK) {
                return rc;
            }
        }

        result = c->result;
        x->mdm_status = status;
    }

    if (x->state == MDM_API_FORMAT_PLIST) {
        return mdm_api_command_plist(x, code, &result, &dropped);
    }

    if (x->state == MDM_API_FORMAT_JSON && dropped.len == 0) {
        rc = mdm_api_command_tree(x, &result, &tree);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    mdm_json_init(&j, x->arena, 512 + result.len / 3 * 4);

    mdm_json_open(&j, NULL, '{');

    mdm_json_str(&j, "command_uuid", &x->command_uuid);
    mdm_json_opt_str(&j, "request_type", &x->request_type);
    mdm_json_text(&j, "state", mdm_api_command_state(code, &status));

    s = mdm_reply_str(reply, MDM_RET_COMMAND_GET_TIME);
    mdm_json_opt_time(&j, (code == MDM_API_COMMAND_PENDING) ? "queued"
                                                             : "finished",
                      &s);

    if (code == MDM_API_COMMAND_PENDING) {
        mdm_api_json_not_now(&j, &status);
    }

    if (code == MDM_API_COMMAND_RESULT) {

        rc = mdm_api_command_members(x, &j, &result, tree);

        if (rc == MDM_DECLINED) {
            return mdm_api_command_unfit(x, "its JSON would be too large");
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    mdm_json_close(&j, '}');

    return mdm_api_audited(x, mdm_api_json_answer(&j, x, 200));
}


static mdm_int_t
mdm_api_command_plist(mdm_exchange_t *x, int64_t code,
    const mdm_str_t *result, const mdm_str_t *dropped)
{
    if (code != MDM_API_COMMAND_RESULT) {
        return mdm_exchange_refuse(x, 404, "there is no result");
    }

    if (dropped->len != 0) {
        return mdm_exchange_refuse(x, 410, "the result, %.*s bytes, had no "
                                   "room: see \"mdm_result_bytes\"",
                                   mdm_fmt(dropped));
    }

    /*
     * These bytes are the device's: no type under which a browser would run
     * what is in them.
     */

    return mdm_api_audited(x, mdm_exchange_body(x, 200, "application/x-plist",
                                                result));
}


/* makes x->ctx of the script's call, or finds it behind one of work */

static mdm_int_t
mdm_api_command_ctx(mdm_exchange_t *x, mdm_api_command_t **ctx)
{
    mdm_api_command_t  *c;

    if (x->state == MDM_API_COMMAND_INFLATED) {
        c = x->ctx;
        x->state = c->format;

        *ctx = c;

        return mdm_api_command_inflated(x, c, x->calls[0].arena);
    }

    c = mdm_arena_zalloc(x->arena, sizeof(mdm_api_command_t));
    if (c == NULL) {
        return MDM_ERROR;
    }

    c->call = &x->calls[0];
    c->format = x->state;

    x->ctx = c;
    *ctx = c;

    return MDM_OK;
}


/* the members of a result; MDM_DECLINED: it is too large as JSON */

static mdm_int_t
mdm_api_command_members(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *result, plist_t tree)
{
    mdm_int_t           rc;
    mdm_str_t           s;
    mdm_api_command_t  *c;
    const mdm_reply_t  *reply;

    c = x->ctx;
    reply = c->call->reply;

    mdm_json_str(j, "status", &x->mdm_status);

    s = mdm_reply_str(reply, MDM_RET_COMMAND_GET_KNOWN);
    mdm_json_bool(j, "was_queued", mdm_str_is(&s, "1"));

    s = mdm_reply_str(reply, MDM_RET_COMMAND_GET_CONSOLE);

    if (mdm_str_is(&s, "1")) {
        mdm_json_bool(j, "not_on_console", 1);
    }

    rc = mdm_api_command_chain(x, j, result);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_reply_str(reply, MDM_RET_COMMAND_GET_DROPPED).len != 0) {
        mdm_json_bool(j, "result_dropped", 1);
        return MDM_OK;
    }

    if (tree != NULL) {
        return mdm_api_plist(j, "result", tree);
    }

    mdm_json_base64(j, "result", result);

    return MDM_OK;
}


/* a result as a tree, for JSON; MDM_DONE: it is refused */

static mdm_int_t
mdm_api_command_tree(mdm_exchange_t *x, const mdm_str_t *result,
    plist_t *tree)
{
    mdm_int_t            rc;
    const char          *why;
    mdm_limits_t   limits;

    if (result->len == 0) {
        return MDM_OK;
    }

    if (result->len > MDM_API_PLIST_IN) {
        return mdm_api_command_unfit(x, "it is too large");
    }

    limits.depth = x->settings->plist_depth;
    limits.nodes = x->settings->plist_nodes;

    rc = mdm_plist_parse(x->arena, result, &limits, tree, &why);

    return (rc == MDM_DECLINED) ? mdm_api_command_unfit(x, why) : rc;
}


static mdm_int_t
mdm_api_command_unfit(mdm_exchange_t *x, const char *why)
{
    return mdm_exchange_refuse(x, 406, "the result cannot be shown as JSON: "
                               "%s; ask for it with format=plist", why);
}


/* the ErrorChain of a result, if there is one that can be read */

static mdm_int_t
mdm_api_command_chain(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *result)
{
    plist_t              chain;
    mdm_int_t            rc;
    mdm_report_t         report;
    mdm_limits_t   limits;

    if (mdm_report_read(x->arena, result, &report) != MDM_OK) {
        return MDM_ERROR;
    }

    limits.depth = x->settings->plist_depth;
    limits.nodes = MDM_API_CHAIN_NODES;

    rc = mdm_report_chain(x->arena, result, &report, &limits, &chain);

    if (rc == MDM_DECLINED) {
        return MDM_OK;
    }

    return (rc == MDM_OK) ? mdm_api_plist(j, "error_chain", chain) : rc;
}


static const char *
mdm_api_command_state(int64_t code, const mdm_str_t *status)
{
    if (code == MDM_API_COMMAND_PENDING) {
        return (status->len != 0) ? "not_now" : "pending";
    }

    if (code == MDM_API_COMMAND_RESULT) {

        if (mdm_str_is(status, "Acknowledged")) {
            return "acknowledged";
        }

        if (mdm_str_is(status, "Error")) {
            return "error";
        }

        if (mdm_str_is(status, "CommandFormatError")) {
            return "command_format_error";
        }

        if (mdm_str_is(status, "unreadable")) {
            return "unreadable";
        }
    }

    return "finished";
}


/* MDM_OK: c->result is set; MDM_CALL: it will be */

static mdm_int_t
mdm_api_command_result(mdm_exchange_t *x, mdm_api_command_t *c)
{
    mdm_int_t            rc;
    mdm_str_t            z, *id, *uuid;
    mdm_uint_t           compressed;
    mdm_secret_where_t   where;

    c->result = mdm_reply_str(c->call->reply, MDM_RET_COMMAND_GET_BODY);
    z = mdm_reply_str(c->call->reply, MDM_RET_COMMAND_GET_Z);

    compressed = mdm_str_is(&z, "1");

    id = &c->call->args[MDM_ARG_COMMAND_GET_ID];
    uuid = &c->call->args[MDM_ARG_COMMAND_GET_UUID];

    mdm_where_result(&where, &c->call->key, id, uuid, compressed);

    rc = mdm_exchange_open(x, &where, &c->result);

    if (rc == MDM_OK && x->settings->audit_reads && c->result.len != 0) {
        rc = mdm_api_audit(x, &c->call->key, "result", id, uuid);
    }

    if (rc != MDM_OK || !compressed) {
        return rc;
    }

    c->z = c->result;

    if (x->away || c->z.len < MDM_API_COMMAND_LARGE) {
        (void) mdm_api_command_inflate(x->arena, c);

        return mdm_api_command_inflated(x, c, x->arena);
    }

    rc = mdm_exchange_work_alone(x, MDM_API_COMMAND_INFLATED,
                                 mdm_api_command_inflate, c);

    /* it may be megabytes, which take their time behind that, too */

    x->heavy = 1;

    return rc;
}


/* may run in a thread; what fails is looked at behind it */

static mdm_int_t
mdm_api_command_inflate(mdm_arena_t *arena, void *data)
{
    mdm_api_command_t *c = data;

    c->rc = mdm_inflate(arena, &c->z, &c->result);

    return MDM_OK;
}


static mdm_int_t
mdm_api_command_inflated(mdm_exchange_t *x, mdm_api_command_t *c,
    const mdm_arena_t *arena)
{
    const char  *what;

    if (c->rc == MDM_OK) {
        return MDM_OK;
    }

    mdm_exchange_log(x, MDM_LOG_ERROR, "a result that is kept "
                     "compressed cannot be read");

    return (mdm_arena_failure(arena, &what) == MDM_FAILURE_MEMORY)
           ? mdm_arena_no_memory(x->arena) : mdm_arena_failed(x->arena, what);
}


mdm_int_t
mdm_api_command_delete_step(mdm_exchange_t *x)
{
    int64_t            code;
    mdm_int_t          rc;
    mdm_str_t          uuid, *args;
    mdm_enrollment_t   en;

    if (x->state != 0) {
        code = mdm_reply_code(x->calls[0].reply, -1);

        if (code < 0) {
            return mdm_api_not_enrolled(x);
        }

        if (code == 0) {
            return mdm_exchange_refuse(x, 404, "the command is not in the "
                                       "queue");
        }

        return mdm_exchange_empty(x, 204);
    }

    mdm_str_null(&uuid);

    rc = mdm_api_enrollment(x, 0, &en);

    if (rc == MDM_OK) {
        rc = mdm_api_uuid(x, 1, &uuid);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_exchange_calls(x, 1, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_command_delete, &en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_COMMAND_DELETE_ID] = en.id_key;
    args[MDM_ARG_COMMAND_DELETE_UUID] = uuid;

    return MDM_CALL;
}
