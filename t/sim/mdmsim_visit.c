
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The steps of a visit: which message comes next, and what the answer means.
 */


#include "mdmsim_run.h"

#include <stdarg.h>
#include <time.h>


#define SIM_MAX_REFUSED  1000000
#define SIM_MAX_NOTES    10
#define SIM_BOOTSTRAP    128       /* bytes of a token */


static uint64_t sim_channel_key(const sim_visit_t *v);
static uint64_t sim_refused_key(const sim_visit_t *v);
static void sim_channel_id(sim_run_t *run, const sim_visit_t *v,
    uint32_t user, char *dst, size_t size);
static void sim_visit_poll(sim_run_t *run, sim_visit_t *v);
static void sim_ledger(sim_run_t *run, const sim_visit_t *v,
    const char *what, const sim_buf_t *type, const sim_buf_t *uuid,
    int status);
static void sim_visit_enrolled(sim_run_t *run, sim_visit_t *v);
static int sim_visit_next_user(sim_run_t *run, sim_visit_t *v);
static int sim_visit_bootstrap(sim_run_t *run, sim_conn_t *c,
    sim_visit_t *v);
static int sim_visit_command(sim_run_t *run, sim_conn_t *c, sim_visit_t *v);
static void sim_visit_released(sim_run_t *run, sim_visit_t *v);
static sim_answer_e sim_visit_answer(sim_run_t *run, sim_visit_t *v);


static const char  *sim_steps[] = {
    "Authenticate", "TokenUpdate", "SetBootstrapToken", "GetBootstrapToken",
    "CheckOut", "DeclarativeManagement", "Idle"
};


const char *
sim_visit_what(const sim_visit_t *v)
{
    return v->step == SIM_STEP_RESULT ? sim_answer_name(v->answer)
                                      : sim_steps[v->step];
}


void
sim_note(sim_run_t *run, const sim_visit_t *v, const char *fmt, ...)
{
    char     id[128];
    va_list  args;

    if (run->notes == SIM_MAX_NOTES) {
        return;
    }

    sim_channel_id(run, v, v->speaker, id, sizeof(id));

    fprintf(stderr, "mdmsim: device %u (%s): %s: ",
            (unsigned) v->device.number, id, sim_visit_what(v));
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);

    if (++run->notes == SIM_MAX_NOTES) {
        fprintf(stderr, "mdmsim: further errors are only counted\n");
    }
}


static uint64_t
sim_channel_key(const sim_visit_t *v)
{
    return sim_hash(v->device.hash, v->channel, 10000);
}


static uint64_t
sim_refused_key(const sim_visit_t *v)
{
    return sim_hash_bytes(sim_channel_key(v), v->command.uuid.data,
                          v->command.uuid.len);
}


static void
sim_channel_id(sim_run_t *run, const sim_visit_t *v, uint32_t user,
    char *dst, size_t size)
{
    sim_user_t  u;

    if (user == 0) {
        snprintf(dst, size, "%s", v->device.id);
        return;
    }

    sim_device_user(&run->opt->fleet, &v->device, user, &u);
    snprintf(dst, size, "%s", u.enrollment);
}


void
sim_visit_begin(sim_run_t *run, sim_visit_t *v, uint32_t device,
    uint32_t channel)
{
    const sim_option_t  *opt;

    opt = run->opt;

    sim_device(&opt->fleet, device, &v->device);
    v->channel = channel;
    v->speaker = channel;
    v->commands = 0;
    v->progress = 0;
    v->answered = 0;
    v->id = ++run->ids;

    if (opt->cmd == SIM_CMD_CHECKOUT) {
        v->step = SIM_STEP_CHECKOUT;

    } else if (opt->cmd == SIM_CMD_RENEW && opt->then == SIM_THEN_TOKEN) {
        v->step = SIM_STEP_TOKEN;
        v->speaker = 0;

    } else if (opt->cmd == SIM_CMD_ENROLL
               || (opt->cmd == SIM_CMD_RENEW
                   && opt->then == SIM_THEN_AUTHENTICATE)
               || (opt->enroll
                   && (run->state[device - opt->fleet.first] & SIM_ENROLLED)
                      == 0))
    {
        v->step = SIM_STEP_AUTHENTICATE;
        v->speaker = 0;

    } else {
        sim_visit_poll(run, v);
    }
}


/* a result that did not get through goes before anything else */

static void
sim_visit_poll(sim_run_t *run, sim_visit_t *v)
{
    sim_entry_t  *e;

    v->speaker = v->channel;
    v->step = SIM_STEP_IDLE;

    e = sim_table_get(&run->pending, sim_channel_key(v));
    if (e == NULL) {
        return;
    }

    v->step = SIM_STEP_RESULT;
    v->answer = e->answer;
    v->command.uuid.len = 0;
    sim_buf_add(&v->command.uuid, e->uuid.data, e->uuid.len);
    v->body.len = 0;
    sim_buf_add(&v->body, e->body.data, e->body.len);
    run->stat.resent++;
}


sim_target_t *
sim_visit_target(sim_run_t *run, const sim_visit_t *v)
{
    return v->step < SIM_STEP_IDLE ? &run->checkin : &run->connect;
}


void
sim_visit_request(sim_run_t *run, sim_visit_t *v)
{
    sim_plist_t         *w;
    const sim_fleet_t   *f;
    const sim_option_t  *opt;

    opt = run->opt;
    f = &opt->fleet;
    w = &run->plist;

    if (v->step != SIM_STEP_RESULT || v->body.len == 0) {

        sim_plist_begin(w, &v->body, opt->binary);

        switch (v->step) {

        case SIM_STEP_AUTHENTICATE:
            sim_message_authenticate(w, f, &v->device);
            break;

        case SIM_STEP_TOKEN:
            sim_message_token(w, opt, &v->device, v->speaker);
            break;

        case SIM_STEP_BOOTSTRAP_SET:
        case SIM_STEP_BOOTSTRAP_GET:
            sim_message_bootstrap(w, f, &v->device,
                                  v->step == SIM_STEP_BOOTSTRAP_SET);
            break;

        case SIM_STEP_CHECKOUT:
            sim_message_checkout(w, f, &v->device, v->speaker);
            break;

        case SIM_STEP_DDM:
            sim_ddm_request(run, v);
            break;

        case SIM_STEP_IDLE:
            sim_message_idle(w, f, &v->device, v->speaker);
            break;

        case SIM_STEP_RESULT:
            sim_message_result(w, opt, &v->device, v->speaker, v->answer,
                               &v->command);
            break;
        }

        sim_plist_finish(w);
    }

    sim_http_request(opt, sim_visit_target(run, v), run->ca,
                     v->device.number, v->step < SIM_STEP_IDLE, &v->body,
                     opt->new_connection, &v->request);
}


/* time, enrollment id, what, CommandUUID, status; "-" where there is none */

static void
sim_ledger(sim_run_t *run, const sim_visit_t *v, const char *what,
    const sim_buf_t *type, const sim_buf_t *uuid, int status)
{
    char             id[128];
    sim_buf_t        text;
    struct timespec  ts;

    if (run->ledger == NULL) {
        return;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    sim_channel_id(run, v, v->speaker, id, sizeof(id));

    memset(&text, 0, sizeof(sim_buf_t));
    sim_buf_printf(&text, "%lld.%06ld\t%s\t%s", (long long) ts.tv_sec,
                   ts.tv_nsec / 1000, id, what);

    if (type != NULL) {
        sim_buf_str(&text, ":");
        sim_buf_percent(&text, type->data, type->len);
    }

    sim_buf_str(&text, "\t");

    if (uuid != NULL && uuid->len != 0) {
        sim_buf_percent(&text, uuid->data, uuid->len);

    } else {
        sim_buf_str(&text, "-");
    }

    if (status != 0) {
        sim_buf_printf(&text, "\t%d\n", status);

    } else {
        sim_buf_str(&text, "\t-\n");
    }

    if (fwrite(text.data, 1, text.len, run->ledger) != text.len) {
        sim_die("cannot write the ledger");
    }

    sim_buf_free(&text);
}


int
sim_visit_response(sim_run_t *run, sim_conn_t *c, sim_visit_t *v)
{
    int  status;

    status = c->http.status;

    if (v->step == SIM_STEP_DDM) {
        sim_ledger(run, v, sim_visit_what(v), NULL, NULL, status);
        return sim_ddm_response(run, c, v);
    }

    if (status < 200 || status > 299) {
        sim_note(run, v, "HTTP status %d", status);
        return SIM_ERROR;
    }

    sim_ledger(run, v, sim_visit_what(v), NULL,
               v->step == SIM_STEP_RESULT ? &v->command.uuid : NULL, status);

    switch (v->step) {

    case SIM_STEP_AUTHENTICATE:
        sim_ddm_forget(run, v->device.number);
        v->step = SIM_STEP_TOKEN;
        return SIM_AGAIN;

    case SIM_STEP_TOKEN:
        if (v->speaker == 0 && run->opt->bootstrap
            && v->device.kind == SIM_MAC)
        {
            v->step = SIM_STEP_BOOTSTRAP_SET;
            return SIM_AGAIN;
        }

        return sim_visit_next_user(run, v);

    case SIM_STEP_BOOTSTRAP_SET:
        v->step = SIM_STEP_BOOTSTRAP_GET;
        return SIM_AGAIN;

    case SIM_STEP_BOOTSTRAP_GET:
        if (sim_visit_bootstrap(run, c, v) != SIM_OK) {
            return SIM_ERROR;
        }

        return sim_visit_next_user(run, v);

    case SIM_STEP_CHECKOUT:
        return SIM_OK;

    case SIM_STEP_RESULT:
        sim_table_del(&run->pending, sim_channel_key(v));
        run->stat.answers[v->answer]++;

        if (v->answer != SIM_NOTNOW) {
            v->progress++;
            v->answered = c->sent;
        }

        break;

    case SIM_STEP_IDLE:
    case SIM_STEP_DDM:
        break;
    }

    if (c->http.body_len == 0) {
        return sim_ddm_next(run, v);
    }

    return sim_visit_command(run, c, v);
}


/* the TokenUpdates of the users, then the enrollment is complete */

static int
sim_visit_next_user(sim_run_t *run, sim_visit_t *v)
{
    uint32_t  users;

    users = sim_device_users(&run->opt->fleet, v->device.number);

    if (v->speaker < users) {
        v->speaker++;
        v->step = SIM_STEP_TOKEN;
        return SIM_AGAIN;
    }

    sim_visit_enrolled(run, v);

    if (run->opt->cmd != SIM_CMD_RUN) {
        return SIM_OK;
    }

    sim_visit_poll(run, v);

    return SIM_AGAIN;
}


static void
sim_visit_enrolled(sim_run_t *run, sim_visit_t *v)
{
    run->stat.enrolled++;

    run->state[v->device.number - run->opt->fleet.first] |= SIM_ENROLLED;
}


/* the token that was set just before must come back */

static int
sim_visit_bootstrap(sim_run_t *run, sim_conn_t *c, sim_visit_t *v)
{
    int        rc;
    uint8_t    token[SIM_BOOTSTRAP];
    sim_buf_t  want, have;

    memset(&want, 0, sizeof(sim_buf_t));
    memset(&have, 0, sizeof(sim_buf_t));

    sim_bootstrap_token(&run->opt->fleet, &v->device, token, sizeof(token));
    sim_buf_base64(&want, token, sizeof(token));

    rc = sim_data_scan(c->in.data + c->http.body, c->http.body_len,
                       "BootstrapToken", &have);

    if (rc == SIM_OK
        && (have.len != want.len || memcmp(have.data, want.data, want.len)))
    {
        rc = SIM_ERROR;
    }

    if (rc != SIM_OK) {
        run->stat.errors[SIM_E_PROTOCOL]++;
        sim_note(run, v, "not the token that was set");
    }

    sim_buf_free(&want);
    sim_buf_free(&have);

    return rc;
}


static int
sim_visit_command(sim_run_t *run, sim_conn_t *c, sim_visit_t *v)
{
    if (sim_command_scan(c->in.data + c->http.body, c->http.body_len,
                         &v->command)
        != SIM_OK)
    {
        run->stat.errors[SIM_E_PROTOCOL]++;
        sim_note(run, v, "the answer is not a command (%zu bytes)",
                 c->http.body_len);
        v->step = SIM_STEP_IDLE;
        return SIM_ERROR;
    }

    v->step = SIM_STEP_RESULT;
    v->body.len = 0;
    run->stat.commands++;
    sim_ledger(run, v, "Command", &v->command.type, &v->command.uuid, 0);
    sim_visit_released(run, v);

    if (++v->commands > run->opt->max_commands) {
        run->stat.errors[SIM_E_PROTOCOL]++;
        v->step = SIM_STEP_IDLE;
        sim_note(run, v, "more than %u commands in one exchange",
                 (unsigned) run->opt->max_commands);
        return SIM_ERROR;
    }

    v->answer = sim_visit_answer(run, v);

    if (v->answer == SIM_ANSWERS) {
        run->stat.errors[SIM_E_PROTOCOL]++;
        v->step = SIM_STEP_IDLE;
        sim_note(run, v, "a command refused with NotNow came again");
        return SIM_ERROR;
    }

    if (run->ddm != NULL && v->answer == SIM_ACKNOWLEDGED
        && strcmp(v->command.type.data, "DeclarativeManagement") == 0)
    {
        sim_ddm_command(run, v);
    }

    return SIM_AGAIN;
}


/* the command that lets it out of Setup Assistant, if it is that one */

static void
sim_visit_released(sim_run_t *run, sim_visit_t *v)
{
    if (strcmp(v->command.type.data, "DeviceConfigured") != 0
        && strcmp(v->command.type.data, "UserConfigured") != 0)
    {
        return;
    }

    run->stat.released++;

    if (v->answered != 0) {
        sim_hist_add(&run->stat.release, (sim_now() - v->answered) / 1000);
    }
}


/* SIM_ANSWERS: the command must not have come */

static sim_answer_e
sim_visit_answer(sim_run_t *run, sim_visit_t *v)
{
    double               r;
    uint64_t             key;
    sim_entry_t         *e;
    const sim_option_t  *opt;

    opt = run->opt;

    if (opt->notnow == 0 && opt->error == 0 && opt->format_error == 0) {
        return SIM_ACKNOWLEDGED;
    }

    run->random = sim_mix(run->random);
    r = (double) (run->random >> 11) / 9007199254740992.0 * 100.0;

    key = sim_refused_key(v);
    e = sim_table_get(&run->refused, key);

    if (e != NULL) {
        if (e->visit == v->id && e->progress == v->progress) {
            return SIM_ANSWERS;
        }

        sim_table_del(&run->refused, key);

    } else if (r < opt->notnow && run->refused.count < SIM_MAX_REFUSED) {
        e = sim_table_add(&run->refused, key);
        e->visit = v->id;
        e->progress = v->progress;
        return SIM_NOTNOW;
    }

    if (r >= opt->notnow && r < opt->notnow + opt->error) {
        return SIM_COMMAND_ERROR;
    }

    if (r >= opt->notnow + opt->error
        && r < opt->notnow + opt->error + opt->format_error)
    {
        return SIM_FORMAT_ERROR;
    }

    return SIM_ACKNOWLEDGED;
}


void
sim_visit_failed(sim_run_t *run, sim_visit_t *v)
{
    sim_entry_t  *e;

    if (v->step != SIM_STEP_RESULT || v->body.len == 0) {
        return;
    }

    e = sim_table_add(&run->pending, sim_channel_key(v));

    if (e->body.len == 0) {
        e->answer = v->answer;
        sim_buf_add(&e->body, v->body.data, v->body.len);
        sim_buf_add(&e->uuid, v->command.uuid.data, v->command.uuid.len);
    }
}
