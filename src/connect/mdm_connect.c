
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connect: stores the result of a command and delivers the next one.
 */


#include "mdm_connect.h"
#include "mdm_ddm_facts.h"
#include "mdm_ddm_token.h"
#include "mdm_ddm_withhold.h"
#include "mdm_deflate.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_renew.h"
#include "mdm_report.h"
#include "mdm_report_facts.h"
#include "mdm_setup.h"
#include "mdm_topic.h"


/* commands without a body that one exchange drops */
#define MDM_CONNECT_DROPS     16


/* results of commands that were never queued: this part of mdm_result_bytes */
#define MDM_CONNECT_UNKNOWN   16


enum {
    MDM_CONNECT_BEGIN = 0,
    MDM_CONNECT_REPORTED,
    MDM_CONNECT_FOLLOWED,
    MDM_CONNECT_RENEWAL,
    MDM_CONNECT_ANSWER
};


/* what goes to Redis of a report */

typedef struct {
    mdm_str_t                 status;
    mdm_str_t                 uuid;        /* key form */
    mdm_str_t                 result;      /* as it is kept */
    mdm_uint_t                compressed;
    mdm_str_t                 payload;     /* of the event; empty: none */
} mdm_connect_report_t;


/* what follows from a report; "reply" is what it was answered */

typedef struct {
    mdm_ddm_facts_t           facts;
    const mdm_reply_t        *reply;
} mdm_connect_facts_t;


static mdm_int_t mdm_connect_status(mdm_exchange_t *x);
static mdm_int_t mdm_connect_idle(mdm_exchange_t *x);
static mdm_str_t mdm_connect_console(const mdm_report_t *report);
static mdm_int_t mdm_connect_report(mdm_exchange_t *x,
    const mdm_str_t *status, const mdm_str_t *uuid_key,
    const mdm_str_t *result);
static mdm_int_t mdm_connect_send(mdm_exchange_t *x,
    const mdm_connect_report_t *r);
static mdm_int_t mdm_connect_reported(mdm_exchange_t *x);
static mdm_int_t mdm_connect_followed(mdm_exchange_t *x);
static void mdm_connect_answered(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_connect_answer(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_connect_named(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_connect_renew(mdm_exchange_t *x,
    const mdm_reply_t *reply);
static mdm_int_t mdm_connect_renewal(mdm_exchange_t *x);
static mdm_int_t mdm_connect_lost(mdm_exchange_t *x, const mdm_str_t *uuid);
static mdm_int_t mdm_connect_plain(mdm_exchange_t *x, const mdm_str_t *uuid);
static mdm_int_t mdm_connect_drop(mdm_exchange_t *x, const char *status,
    const mdm_str_t *uuid);


mdm_int_t
mdm_connect(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_CONNECT_BEGIN:
        return mdm_connect_status(x);

    case MDM_CONNECT_REPORTED:
        return mdm_connect_reported(x);

    case MDM_CONNECT_FOLLOWED:
        return mdm_connect_followed(x);

    case MDM_CONNECT_RENEWAL:
        return mdm_connect_renewal(x);

    default: /* MDM_CONNECT_ANSWER */
        mdm_connect_answered(x, x->calls[0].reply);

        return mdm_connect_answer(x, x->calls[0].reply);
    }
}


static mdm_int_t
mdm_connect_status(mdm_exchange_t *x)
{
    mdm_str_t       status, key, result;
    mdm_report_t   *report;
    mdm_message_t  *m;

    m = x->ctx;
    report = m->data;

    if (report->status == MDM_REPORT_UNREADABLE && report->uuid.len == 0) {
        return mdm_report_refuse(x, "neither a known Status nor a CommandUUID");
    }

    status = mdm_report_status(report->status);

    x->mdm_status = status;

    if (report->status == MDM_REPORT_IDLE) {
        return mdm_connect_idle(x);
    }

    x->command_uuid = report->uuid;

    if (mdm_key_uuid(x->arena, &key, &report->uuid) != MDM_OK) {
        return MDM_ERROR;
    }

    /*
     * A result that names no command is kept under an empty CommandUUID, the
     * last one, and answered 200: the device would repeat it for ever.  So it
     * would one that cannot be read.
     */

    if (report->uuid.len == 0) {
        mdm_exchange_log(x, MDM_LOG_WARN, "a result of \"%.*s\" without a "
                         "usable CommandUUID", mdm_fmt(&m->en.id_key));

    } else if (report->status == MDM_REPORT_UNREADABLE) {
        mdm_exchange_log(x, MDM_LOG_WARN, "the result of command \"%.*s\" "
                         "for \"%.*s\" is unreadable, it is kept as it "
                         "came: %s", mdm_fmt(&key), mdm_fmt(&m->en.id_key),
                         (report->broken != NULL) ? report->broken
                                                  : "no known Status");
    }

    /* what is not kept is not sent either */

    if (report->status == MDM_REPORT_NOT_NOW) {
        mdm_str_null(&result);

    } else {
        result = x->body;
    }

    return mdm_connect_report(x, &status, &key, &result);
}


static mdm_int_t
mdm_connect_idle(mdm_exchange_t *x)
{
    mdm_str_t      *args;
    mdm_uint_t      user;
    mdm_message_t  *m;

    m = x->ctx;
    user = mdm_enrollment_user(&m->en);

    args = mdm_message_call(x, &mdm_script_idle, user, MDM_CONNECT_ANSWER);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (user) {
        args[MDM_ARG_IDLE_CONSOLE] = mdm_connect_console(m->data);
    }

    return MDM_CALL;
}


static mdm_str_t
mdm_connect_console(const mdm_report_t *report)
{
    mdm_str_t  s;

    s.data = (u_char *) (report->not_on_console ? "1" : "0");
    s.len = 1;

    return s;
}


static mdm_int_t
mdm_connect_report(mdm_exchange_t *x, const mdm_str_t *status,
    const mdm_str_t *uuid_key, const mdm_str_t *result)
{
    mdm_message_t         *m;
    mdm_secret_where_t     where;
    mdm_connect_report_t   r;

    static const mdm_str_t  event = mdm_string("mdm.Connect");

    m = x->ctx;

    r.status = *status;
    r.uuid = *uuid_key;

    if (mdm_deflate(x->arena, result, &r.result, &r.compressed) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_where_result(&where, &m->en.tag, &m->en.id_key, &r.uuid,
                     r.compressed);

    if (mdm_exchange_seal(x, x->arena, &where, &r.result, NULL) != MDM_OK) {
        return MDM_ERROR;
    }

    /*
     * A webhook gets the result that is kept, if one is; but the next one that
     * names no command, either, takes the place of that before it is sent.
     */

    mdm_str_null(&r.payload);

    if ((x->settings->event_payload || result->len == 0 || r.uuid.len == 0)
        && mdm_message_payload(x, &m->en.tag, &m->en.id_key, mdm_topic(&event),
                               &r.payload)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* all of it has come: who went away need not send so much once more */

    if (x->body.len > MDM_EXCHANGE_LARGE) {
        x->lasting = 1;
    }

    return mdm_connect_send(x, &r);
}


static mdm_int_t
mdm_connect_send(mdm_exchange_t *x, const mdm_connect_report_t *r)
{
    mdm_str_t      *args, facts[MDM_FACTS_MAX * MDM_FACT_ARGS];
    mdm_uint_t      n;
    mdm_message_t  *m;

    m = x->ctx;
    n = mdm_report_facts(m->data, facts);

    if (mdm_message_nonce(x, m) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_message_call(x, &mdm_script_report, n,
                            (n != 0) ? MDM_CONNECT_REPORTED
                                     : MDM_CONNECT_ANSWER);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_REPORT_STATUS] = r->status;
    args[MDM_ARG_REPORT_UUID] = r->uuid;
    args[MDM_ARG_REPORT_RESULT] = r->result;

    mdm_str_set(&args[MDM_ARG_REPORT_Z], "0");

    if (r->compressed) {
        mdm_str_set(&args[MDM_ARG_REPORT_Z], "1");
    }

    if (mdm_message_number(x, &args[MDM_ARG_REPORT_TTL],
                           x->settings->result_ttl)
        != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_REPORT_KEPT],
                              x->settings->queue_limit)
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_REPORT_BUDGET],
                              x->settings->result_bytes)
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_REPORT_OTHER_BUDGET],
                              (x->settings->result_bytes
                               + MDM_CONNECT_UNKNOWN - 1)
                              / MDM_CONNECT_UNKNOWN)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_REPORT_NONCE] = m->nonce;
    args[MDM_ARG_REPORT_RAW] = r->payload;
    args[MDM_ARG_REPORT_CONSOLE] = mdm_connect_console(m->data);

    if (n != 0) {

        /* who hears of it may be a user who is not here now */

        x->owes = 1;

        if (mdm_ddm_notify_args(x, &m->en.tag,
                                &args[MDM_ARG_REPORT_NOTIFY_UUID],
                                &args[MDM_ARG_REPORT_NOTIFY_BODY])
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        memcpy(&args[MDM_ARG_REPORT_FACTS], facts, n * sizeof(mdm_str_t));
    }

    return MDM_CALL;
}


/*
 * What the device has said of itself may change the declarations of all its
 * channels, which may be more than a script does.
 */

static mdm_int_t
mdm_connect_reported(mdm_exchange_t *x)
{
    int64_t               code;
    mdm_report_t         *report;
    mdm_message_t        *m;
    mdm_connect_facts_t  *facts;
    const mdm_reply_t    *reply;

    m = x->ctx;
    report = m->data;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, MDM_CODE_CHANGED);

    mdm_connect_answered(x, reply);

    if ((code != MDM_CODE_NONE && code != MDM_CODE_COMMAND
         && code != MDM_CODE_RENEWAL)
        || mdm_reply_int(reply, MDM_RET_REPORT_UNFINISHED, 0) != 1)
    {
        return mdm_connect_answer(x, reply);
    }

    facts = mdm_arena_zalloc(x->arena, sizeof(mdm_connect_facts_t));
    if (facts == NULL) {
        return MDM_ERROR;
    }

    facts->reply = reply;
    facts->facts.tag = m->en.tag;
    facts->facts.device = m->en.device_key;

    report->facts = facts;

    return mdm_exchange_enter(x, mdm_ddm_facts, &facts->facts,
                              MDM_CONNECT_FOLLOWED);
}


static mdm_int_t
mdm_connect_followed(mdm_exchange_t *x)
{
    mdm_report_t         *report;
    mdm_message_t        *m;
    mdm_connect_facts_t  *facts;

    m = x->ctx;
    report = m->data;
    facts = report->facts;

    /* the device has been told of its declarations, perhaps */

    if (facts->facts.told
        && mdm_reply_code(facts->reply, MDM_CODE_CHANGED) == MDM_CODE_NONE)
    {
        return mdm_connect_idle(x);
    }

    return mdm_connect_answer(x, facts->reply);
}


/* what metrics count; a poll is answered with less */

static void
mdm_connect_answered(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    if (mdm_reply_size(reply) <= MDM_RET_REPORT_ANSWERED) {
        return;
    }

    x->answered = 1;
    x->answered_type = mdm_reply_str(reply, MDM_RET_REPORT_ANSWERED);
    x->answered_age = mdm_reply_int(reply, MDM_RET_REPORT_AGE, -1);
}


static mdm_int_t
mdm_connect_answer(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    int64_t              code;
    mdm_int_t            rc;
    mdm_str_t            uuid, body, token, time, client;
    mdm_message_t       *m;
    mdm_secret_where_t   where;

    /* that of idle or of report; an empty poll is the most frequent of all */

    code = mdm_reply_code(reply, MDM_CODE_CHANGED);

    if (code == MDM_CODE_NONE) {
        return mdm_exchange_empty(x, 200);
    }

    uuid = mdm_reply_str(reply, MDM_RET_IDLE_UUID);

    if (code == MDM_CODE_RENEWAL) {
        return mdm_connect_renew(x, reply);
    }

    if (code == MDM_CODE_LOST) {
        return mdm_connect_lost(x, &uuid);
    }

    if (code != MDM_CODE_COMMAND) {
        return mdm_message_refused(x, code);
    }

    body = mdm_reply_str(reply, MDM_RET_IDLE_BODY);

    m = x->ctx;

    mdm_where_command(&where, &m->en.tag, &uuid);

    rc = mdm_exchange_open(x, &where, &body);

    if (rc == MDM_DECLINED) {
        return mdm_connect_plain(x, &uuid);
    }

    if (mdm_connect_named(x, reply) != MDM_OK) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* that declarations changed: with their token as it is now */

    time = mdm_reply_str(reply, MDM_RET_IDLE_TIME);

    if (time.len != 0) {
        token = mdm_reply_str(reply, MDM_RET_IDLE_TOKEN);
        client = mdm_reply_str(reply, MDM_RET_IDLE_CLIENT);

        if (mdm_ddm_withhold_token(x, &client, &token) != MDM_OK
            || mdm_ddm_splice(x->arena, &body, &token, &time) == MDM_ERROR)
        {
            return MDM_ERROR;
        }
    }

    return mdm_exchange_body(x, 200, "application/xml; charset=UTF-8", &body);
}


/* of a command that goes out, for the log */

static mdm_int_t
mdm_connect_named(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    mdm_str_t  uuid;

    uuid = mdm_reply_str(reply, MDM_RET_IDLE_UUID);
    x->request_type = mdm_reply_str(reply, MDM_RET_IDLE_TYPE);

    return (x->command_uuid.len == 0
            && mdm_unescape(x->arena, &x->command_uuid, &uuid) == MDM_ERROR)
           ? MDM_ERROR : MDM_OK;
}


/* it is made now */

static mdm_int_t
mdm_connect_renew(mdm_exchange_t *x, const mdm_reply_t *reply)
{
    mdm_renew_t    *r;
    mdm_report_t   *report;
    mdm_message_t  *m;

    m = x->ctx;
    report = m->data;

    if (++m->tries > MDM_CONNECT_DROPS) {
        return mdm_exchange_unavailable(x);
    }

    r = mdm_arena_zalloc(x->arena, sizeof(mdm_renew_t));
    if (r == NULL) {
        return MDM_ERROR;
    }

    r->tag = m->en.tag;
    r->id = m->en.id_key;
    r->device = m->en.device;
    r->uuid = mdm_reply_str(reply, MDM_RET_IDLE_UUID);
    r->name = mdm_reply_str(reply, MDM_RET_IDLE_NAME);
    r->serial = mdm_reply_str(reply, MDM_RET_IDLE_SERIAL);
    r->person = mdm_reply_str(reply, MDM_RET_IDLE_PERSON);
    r->keys = mdm_reply_str(reply, MDM_RET_IDLE_KEYS);

    report->renewal = r;
    report->reply = reply;

    return mdm_exchange_enter(x, mdm_renew_build, r, MDM_CONNECT_RENEWAL);
}


static mdm_int_t
mdm_connect_renewal(mdm_exchange_t *x)
{
    mdm_renew_t    *r;
    mdm_report_t   *report;
    mdm_message_t  *m;

    m = x->ctx;
    report = m->data;
    r = report->renewal;

    /* it has left the queue: what is behind it?  Not what was just refused */

    if (r->body.len == 0) {
        return (report->status == MDM_REPORT_NOT_NOW)
               ? mdm_exchange_empty(x, 200) : mdm_connect_idle(x);
    }

    if (mdm_connect_named(x, report->reply) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, "application/xml; charset=UTF-8",
                             &r->body);
}


static mdm_int_t
mdm_connect_lost(mdm_exchange_t *x, const mdm_str_t *uuid)
{
    mdm_message_t  *m;

    m = x->ctx;

    mdm_exchange_log(x, MDM_LOG_ERROR, "the body of command \"%.*s\" for "
                     "\"%.*s\" is gone from redis: check maxmemory-policy",
                     mdm_fmt(uuid), mdm_fmt(&m->en.id_key));

    return mdm_connect_drop(x, "Drop", uuid);
}


/* a command that nobody who has the key has queued */

static mdm_int_t
mdm_connect_plain(mdm_exchange_t *x, const mdm_str_t *uuid)
{
    mdm_message_t  *m;

    m = x->ctx;

    mdm_exchange_log(x, MDM_LOG_ALERT, "command \"%.*s\" for \"%.*s\" in "
                     "redis is not encrypted, though \"encryption_required\" "
                     "is on: it is not delivered, and dropped",
                     mdm_fmt(uuid), mdm_fmt(&m->en.id_key));

    return mdm_connect_drop(x, "DropPlain", uuid);
}


static mdm_int_t
mdm_connect_drop(mdm_exchange_t *x, const char *status, const mdm_str_t *uuid)
{
    mdm_str_t       drop, none;
    mdm_message_t  *m;

    m = x->ctx;

    if (++m->tries > MDM_CONNECT_DROPS) {
        return mdm_exchange_unavailable(x);
    }

    drop.data = (u_char *) (uintptr_t) status;
    drop.len = strlen(status);

    mdm_str_null(&none);

    /* one that lets it out of Setup Assistant is to be made anew */

    x->kick = MDM_SETUP_JOB;

    return mdm_connect_report(x, &drop, uuid, &none);
}
