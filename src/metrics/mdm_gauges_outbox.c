
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What metrics say of the outboxes of a tenant, and of webhooks.
 */


#include "mdm_gauges_outbox.h"

#include "mdm_key.h"
#include "mdm_number.h"
#include "mdm_webhook.h"


/* no number is larger */
#define MDM_GAUGES_MOST       (INT64_C(1) << 40)


static mdm_gauges_behind_t *mdm_gauges_outbox_hook(mdm_gauges_outbox_t *outbox,
    const mdm_str_t *name);
static mdm_uint_t mdm_gauges_outbox_name(const mdm_str_t *name);
static void mdm_gauges_outbox_named(mdm_gauges_hook_t *hook,
    const mdm_settings_t *settings, const mdm_str_t *name);


static const mdm_str_t  mdm_gauges_other = mdm_string("other");


mdm_int_t
mdm_gauges_outbox_add(mdm_exchange_t *x, mdm_gauges_outbox_t *outbox,
    const mdm_reply_t *reply)
{
    size_t                row;
    int64_t               n;
    mdm_str_t             name;
    const mdm_reply_t    *hooks;
    mdm_gauges_behind_t  *hook;

    outbox->events += (int64_t) mdm_gauges_number(reply,
                                                  MDM_RET_GAUGES_READ_EVENTS);
    outbox->dropped += (int64_t) mdm_gauges_number(reply,
                                                  MDM_RET_GAUGES_READ_DROPPED);

    n = (int64_t) mdm_gauges_number(reply, MDM_RET_GAUGES_READ_FULL);

    if (n > outbox->full) {
        outbox->full = n;
    }

    hooks = mdm_reply_at(reply, MDM_RET_GAUGES_READ_HOOKS);

    for (row = 0; mdm_reply_row(hooks, row, MDM_NRET_GAUGES_READ_HOOKS);
         row += MDM_NRET_GAUGES_READ_HOOKS)
    {
        name = mdm_reply_str(hooks, row + MDM_RET_GAUGES_READ_HOOKS_NAME);

        hook = mdm_gauges_outbox_hook(outbox, &name);

        /* the reply is gone in the next round */

        if (hook->name.len == 0
            && mdm_str_dup(x->arena, &hook->name, &name) != MDM_OK)
        {
            return MDM_ERROR;
        }

        hook->lag += (int64_t) mdm_gauges_number(hooks,
                                       row + MDM_RET_GAUGES_READ_HOOKS_LAG);

        /* there may be any number of rows */

        if (hook->lag > MDM_GAUGES_MOST) {
            hook->lag = MDM_GAUGES_MOST;
        }

        name = mdm_reply_str(hooks, row + MDM_RET_GAUGES_READ_HOOKS_OLDEST);

        if (mdm_atoi(&name, &n) == MDM_OK && n > 0
            && (hook->oldest == 0 || n < hook->oldest))
        {
            hook->oldest = n;
        }
    }

    return MDM_OK;
}


/* the one of this name, a new one, or that of all further ones */

static mdm_gauges_behind_t *
mdm_gauges_outbox_hook(mdm_gauges_outbox_t *outbox, const mdm_str_t *name)
{
    mdm_uint_t            i;
    mdm_gauges_behind_t  *hook;

    hook = &outbox->hooks[MDM_GAUGES_HOOKS];

    if (!mdm_gauges_outbox_name(name)) {
        hook->name = mdm_gauges_other;
        return hook;
    }

    for (i = 0; i < outbox->nhooks; i++) {
        if (mdm_str_eq(&outbox->hooks[i].name, name)) {
            return &outbox->hooks[i];
        }
    }

    if (i < MDM_GAUGES_HOOKS) {
        outbox->nhooks++;
        return &outbox->hooks[i];
    }

    hook->name = mdm_gauges_other;

    return hook;
}


/* what stands in a text between blanks, and as a label */

static mdm_uint_t
mdm_gauges_outbox_name(const mdm_str_t *name)
{
    return name->len <= MDM_WEBHOOK_NAME_MAX
           && mdm_tenant_check(name) == MDM_OK;
}


mdm_int_t
mdm_gauges_outbox_put(mdm_exchange_t *x, const mdm_gauges_outbox_t *outbox,
    mdm_str_t *args, mdm_str_t **rows)
{
    mdm_str_t                  *row;
    mdm_uint_t                  i, n;
    const mdm_gauges_behind_t  *hook;

    row = *rows;
    n = 0;

    for (i = 0; i <= MDM_GAUGES_HOOKS; i++) {
        hook = &outbox->hooks[i];

        if (hook->name.len == 0) {
            continue;
        }

        row[0] = hook->name;

        if (mdm_itoa(x->arena, &row[1], hook->lag) != MDM_OK
            || mdm_itoa(x->arena, &row[2], hook->oldest) != MDM_OK)
        {
            return MDM_ERROR;
        }

        row += 3;
        n++;
    }

    *rows = row;

    return (mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_EVENTS],
                     outbox->events)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_FULL], outbox->full)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_DROPPED],
                        outbox->dropped)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_NHOOKS],
                        (int64_t) n)
               == MDM_OK)
           ? MDM_OK : MDM_ERROR;
}


mdm_uint_t
mdm_gauges_outbox_names(const mdm_settings_t *settings)
{
    return (settings->nwebhooks < MDM_METRICS_WEBHOOKS - 1)
           ? settings->nwebhooks : MDM_METRICS_WEBHOOKS - 1;
}


void
mdm_gauges_outbox_begin(const mdm_exchange_t *x, mdm_gauges_t *gauges)
{
    mdm_uint_t         i;
    mdm_gauges_hook_t  hook;

    for (i = 0; i < x->settings->nwebhooks; i++) {
        mdm_gauges_outbox_named(&hook, x->settings,
                                &x->settings->webhooks[i].name);
        mdm_gauges_hook_add(gauges, &hook);
    }
}


void
mdm_gauges_outbox_got(const mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_gauges_t *gauges)
{
    size_t              row;
    mdm_str_t           name;
    mdm_gauges_hook_t   hook;
    const mdm_reply_t  *hooks;

    gauges->events = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_EVENTS);
    gauges->full = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_FULL);
    gauges->dropped = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_DROPPED);

    hooks = mdm_reply_at(reply, MDM_RET_GAUGES_GET_HOOKS);

    for (row = 0; mdm_reply_row(hooks, row, MDM_NRET_GAUGES_GET_HOOKS);
         row += MDM_NRET_GAUGES_GET_HOOKS)
    {
        name = mdm_reply_str(hooks, row + MDM_RET_GAUGES_GET_HOOKS_NAME);

        mdm_gauges_outbox_named(&hook, x->settings, &name);

        hook.lag = mdm_gauges_number(hooks,
                                     row + MDM_RET_GAUGES_GET_HOOKS_LAG);
        hook.oldest = mdm_gauges_number(hooks,
                                        row + MDM_RET_GAUGES_GET_HOOKS_OLDEST);

        mdm_gauges_hook_add(gauges, &hook);
    }
}


/* the first ones have names, as their counters do */

static void
mdm_gauges_outbox_named(mdm_gauges_hook_t *hook,
    const mdm_settings_t *settings, const mdm_str_t *name)
{
    mdm_uint_t        i, n;
    const mdm_str_t  *label;

    memset(hook, 0, sizeof(mdm_gauges_hook_t));

    label = &mdm_gauges_other;
    n = mdm_gauges_outbox_names(settings);

    for (i = 0; i < n; i++) {
        if (mdm_str_eq(&settings->webhooks[i].name, name)
            && name->len <= MDM_METRICS_NAME)
        {
            label = name;
            break;
        }
    }

    hook->len = label->len;
    memcpy(hook->data, label->data, label->len);
}


unsigned long
mdm_gauges_number(const mdm_reply_t *reply, size_t i)
{
    int64_t    n;
    mdm_str_t  text;

    n = mdm_reply_int(reply, i, -1);

    if (n < 0) {
        text = mdm_reply_str(reply, i);

        if (mdm_atoi(&text, &n) != MDM_OK) {
            n = 0;
        }
    }

    return (unsigned long) ((n < MDM_GAUGES_MOST) ? n : MDM_GAUGES_MOST);
}
