
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Authenticate: the one message that may bring a new certificate.  The
 * certificate's key lies in another slot than the device's, so it takes three
 * rounds: look (nothing is written for who is refused), claim the certificate
 * for the device, carry it out if the pin is still what was seen.
 *
 * With "mdm_reenroll bound" the serial number that a message brings counts for
 * an id that was never seen, if the certificate names it and no other
 * enrollment has it: those that came with it are looked at in a round between.
 */


#include "mdm_certificate.h"
#include "mdm_checkin.h"
#include "mdm_key.h"
#include "mdm_renew.h"
#include "mdm_topic.h"


#define MDM_AUTHENTICATE_TRIES   3

/* enrollments with the same serial number that are looked at, at most */
#define MDM_AUTHENTICATE_OTHERS  "32"


/* m->data */

typedef struct {
    mdm_str_t                 serial;      /* that of the message, or empty */
    mdm_str_t                 key;         /* of its index */
    mdm_str_t                *others;      /* devices in it, key form */
    mdm_uint_t                nothers;
    mdm_uint_t                relied;      /* 1: the pin relies on it */
    mdm_uint_t                renewal;     /* 1: of the certificate alone */
    mdm_uint_t                own;         /* 1: it is claimed for the device
                                              already */
    mdm_uint_t                replaced;    /* 1: another one took its place */
    mdm_uint_t                replaces;    /* 1: a device that Apple alone
                                              vouches for takes the place of
                                              one that was here */
} mdm_authenticate_t;


static mdm_int_t mdm_authenticate_begin(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_look(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_check(mdm_exchange_t *x);
static mdm_uint_t mdm_authenticate_allowed(mdm_exchange_t *x);
static mdm_uint_t mdm_authenticate_relies(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_others(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_others_seen(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_claim(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_commit(mdm_exchange_t *x);
static mdm_str_t mdm_authenticate_flag(mdm_uint_t flag);
static mdm_int_t mdm_authenticate_end(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_drop(mdm_exchange_t *x);
static mdm_int_t mdm_authenticate_refuse(mdm_exchange_t *x, const char *why);


enum {
    MDM_AUTHENTICATE_BEGIN = 0,
    MDM_AUTHENTICATE_CHECK,
    MDM_AUTHENTICATE_OTHERS_SEEN,
    MDM_AUTHENTICATE_COMMIT,
    MDM_AUTHENTICATE_END,
    MDM_AUTHENTICATE_DROPPED,
    MDM_AUTHENTICATE_REFUSED,
    MDM_AUTHENTICATE_RELEASED
};


mdm_int_t
mdm_checkin_authenticate(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_AUTHENTICATE_BEGIN:
        return mdm_authenticate_begin(x);

    case MDM_AUTHENTICATE_CHECK:
        return mdm_authenticate_check(x);

    case MDM_AUTHENTICATE_OTHERS_SEEN:
        return mdm_authenticate_others_seen(x);

    case MDM_AUTHENTICATE_COMMIT:
        return mdm_authenticate_commit(x);

    case MDM_AUTHENTICATE_END:
        return mdm_authenticate_end(x);

    case MDM_AUTHENTICATE_DROPPED:
        return mdm_exchange_empty(x, 200);

    case MDM_AUTHENTICATE_REFUSED:
        return mdm_message_unclaim(x, MDM_AUTHENTICATE_RELEASED);

    default: /* MDM_AUTHENTICATE_RELEASED: it was refused before */
        return MDM_DONE;
    }
}


static mdm_int_t
mdm_authenticate_begin(mdm_exchange_t *x)
{
    mdm_str_t            topic;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;

    if (mdm_enrollment_user(&m->en)) {
        return mdm_exchange_refuse(x, 400, "Authenticate on a user channel");
    }

    if (mdm_plist_string(m->plist, "Topic", &topic) != MDM_OK
        || topic.len == 0 || topic.len > MDM_FIELD_MAX)
    {
        return mdm_exchange_refuse(x, 400, "Topic is missing");
    }

    a = mdm_arena_zalloc(x->arena, sizeof(mdm_authenticate_t));
    if (a == NULL) {
        return MDM_ERROR;
    }

    m->data = a;

    /* one that is too long is not stored either */

    if (mdm_plist_string(m->plist, "SerialNumber", &a->serial) != MDM_OK
        || a->serial.len > MDM_FIELD_MAX)
    {
        mdm_str_null(&a->serial);
    }

    if (mdm_key_serial(x->arena, &a->key, &x->tenant, &a->serial) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_authenticate_look(x);
}


static mdm_int_t
mdm_authenticate_look(mdm_exchange_t *x)
{
    mdm_str_t           *args;
    mdm_uint_t           bound;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    bound = (x->settings->reenroll == MDM_REENROLL_BOUND
             && a->serial.len != 0);

    if (mdm_exchange_calls(x, 3 + bound, MDM_AUTHENTICATE_CHECK) != MDM_CALL
        || mdm_message_look_call(x, 0) != MDM_OK
        || mdm_message_claim_call(x, 1, &mdm_script_claim_get) != MDM_OK
        || mdm_block_call(x, 2, &m->en.device_key, &a->serial) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (bound) {
        args = mdm_exchange_call(x, 3, &mdm_script_serial_get, &a->key, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_SERIAL_GET_MOST], MDM_AUTHENTICATE_OTHERS);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_check(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t            owner, state;
    const char          *why;
    mdm_block_e          blocked;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    owner = mdm_reply_str(x->calls[1].reply, MDM_RET_CLAIM_GET_DEVICE);
    state = mdm_reply_str(x->calls[1].reply, MDM_RET_CLAIM_GET_STATE);

    if (mdm_pin_read(x, x->calls[0].reply, &m->pin) != MDM_OK) {
        return MDM_ERROR;
    }

    /* itself, or who came with its serial number */

    blocked = mdm_block_read(x->calls[2].reply, MDM_RET_BLOCK_GET_ANSWER);
    blocked = (blocked != MDM_BLOCK_NONE) ? blocked : m->pin.blocked;

    if (blocked != MDM_BLOCK_NONE) {
        (void) mdm_block_refuse(x, blocked);
        return mdm_message_unclaim(x, MDM_AUTHENTICATE_RELEASED);
    }

    if (owner.len != 0 && !mdm_str_eq(&owner, &m->en.device_key)) {
        return mdm_authenticate_refuse(x, "the certificate belongs to "
                                       "another device");
    }

    rc = mdm_binding_read(x, x->calls[1].reply, MDM_RET_CLAIM_GET_CA,
                          &m->claim, &m->binding);
    if (rc != MDM_OK) {
        return rc;
    }

    why = mdm_binding_refuses(x, &m->binding, &m->en, &m->pin.serial,
                              &a->serial);

    if (why != NULL) {
        return mdm_message_unbound(x, why, MDM_AUTHENTICATE_REFUSED);
    }

    /* a MachineInfo has no nonce: it may be one that somebody has kept */

    a->replaces = mdm_binding_kept(&m->binding) && m->pin.known
                  && !mdm_str_eq(&m->pin.digest, &x->identity.digest);

    if (a->replaces && m->pin.enabled && m->pin.digest.len != 0
        && mdm_str_is(&m->binding.c.replace, "none"))
    {
        return mdm_message_unbound(x, "mdm_enroll_replace does not let it "
                                   "take the place of an enabled device",
                                   MDM_AUTHENTICATE_REFUSED);
    }

    a->relied = 0;
    a->own = (owner.len != 0);
    a->replaced = mdm_str_is(&state, "replaced");
    a->renewal = m->binding.ledger
                 && m->binding.c.purpose == MDM_PURPOSE_RENEW
                 && m->pin.digest.len != 0
                 && (mdm_str_eq(&m->pin.next, &x->identity.digest)
                     || (a->own
                         && mdm_str_eq(&m->pin.digest, &x->identity.digest)));

    if (mdm_authenticate_allowed(x)) {
        return mdm_authenticate_claim(x);
    }

    if (mdm_authenticate_relies(x)) {
        return mdm_authenticate_others(x);
    }

    if (x->settings->reenroll == MDM_REENROLL_BOUND
        && mdm_binding_open(&m->binding))
    {
        return mdm_authenticate_refuse(x, "the certificate is bound to no "
                                       "device: to enroll again it needs a "
                                       "challenge with \"udid\" or "
                                       "\"serial\"");
    }

    return mdm_authenticate_refuse(x, (m->pin.digest.len != 0)
                                   ? "mdm_reenroll does not let this "
                                     "certificate replace the pinned one"
                                   : "mdm_reenroll does not let this "
                                     "certificate be pinned: it does not "
                                     "name the device");
}


static mdm_uint_t
mdm_authenticate_allowed(mdm_exchange_t *x)
{
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    if (mdm_pin_allowed(x, &m->en, &m->pin)
        || (a->renewal && mdm_str_eq(&m->pin.next, &x->identity.digest)))
    {
        return 1;
    }

    /*
     * One of ours counts by what it is bound to, whatever its subject is; one
     * that is bound to nobody names whoever comes with it first.  It names that
     * device still when its pin was taken away, and replaces none then; not one
     * that was replaced itself, perhaps as its key is in other hands.
     */

    return x->settings->reenroll == MDM_REENROLL_BOUND
           && (mdm_binding_names(&m->binding, m->pin.serial.len != 0)
               || (mdm_binding_open(&m->binding)
                   && (!m->pin.known
                       || (a->own && !a->replaced
                           && m->pin.digest.len == 0))));
}


static mdm_uint_t
mdm_authenticate_relies(mdm_exchange_t *x)
{
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    return x->ncalls == 4 && !m->pin.known
           && (m->binding.c.serial.len != 0
               || mdm_pin_names_serial(x, &a->serial));
}


/* who else came with this serial number: do they have it still? */

static mdm_int_t
mdm_authenticate_others(mdm_exchange_t *x)
{
    size_t               i;
    mdm_str_t            id, raw, *args;
    mdm_message_t       *m;
    mdm_enrollment_t     en;
    const mdm_reply_t   *reply;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    reply = x->calls[3].reply;

    a->relied = 1;
    a->nothers = 0;

    if (mdm_reply_size(reply) == 0) {
        return MDM_ERROR;
    }

    if (mdm_reply_int(reply, MDM_RET_SERIAL_GET_NUMBER, -1)
        != (int64_t) mdm_reply_size(reply) - MDM_RET_SERIAL_GET_IDS)
    {
        return mdm_authenticate_refuse(x, "too many enrollments came with "
                                       "this serial number");
    }

    a->others = mdm_arena_alloc(x->arena,
                                mdm_reply_size(reply) * sizeof(mdm_str_t));
    if (a->others == NULL) {
        return MDM_ERROR;
    }

    for (i = MDM_RET_SERIAL_GET_IDS; i < mdm_reply_size(reply); i++) {
        id = mdm_reply_str(reply, i);

        if (id.len != 0 && !mdm_str_eq(&id, &m->en.device_key)) {
            a->others[a->nothers++] = id;
        }
    }

    if (a->nothers == 0) {
        return mdm_authenticate_claim(x);
    }

    if (mdm_exchange_calls(x, a->nothers, MDM_AUTHENTICATE_OTHERS_SEEN)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    for (i = 0; i < a->nothers; i++) {

        if (mdm_unescape(x->arena, &raw, &a->others[i]) != MDM_OK
            || mdm_enrollment_from_id(x->arena, &raw, &x->tenant,
                                      x->settings->store->partitions, &en)
               != MDM_OK)
        {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_authenticate_check,
                                 &en.tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_AUTHENTICATE_CHECK_DEVICE] = en.device_key;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_others_seen(mdm_exchange_t *x)
{
    mdm_pin_t            pin;
    mdm_uint_t           i;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    for (i = 0; i < x->ncalls; i++) {

        if (mdm_pin_read(x, x->calls[i].reply, &pin) != MDM_OK) {
            return MDM_ERROR;
        }

        if (pin.known && mdm_str_eq_i(&pin.serial, &a->serial)) {
            return mdm_authenticate_refuse(x, "another enrollment has the "
                                           "serial number that the "
                                           "certificate names");
        }
    }

    return mdm_authenticate_claim(x);
}


static mdm_int_t
mdm_authenticate_claim(mdm_exchange_t *x)
{
    mdm_str_t           *args;
    mdm_uint_t           serial;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    serial = (a->serial.len != 0);

    /* its certificate is to be renewed some day */

    if (mdm_exchange_calls(x, 2 + serial, MDM_AUTHENTICATE_COMMIT)
        != MDM_CALL
        || mdm_message_claim_call(x, 0, &mdm_script_claim) != MDM_OK
        || mdm_job_kick_call(x, 1 + serial, MDM_RENEW_JOB, MDM_RENEW_LOOK)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (!serial) {
        return MDM_CALL;
    }

    args = mdm_exchange_call(x, 1, &mdm_script_serial_claim, &a->key,
                             a->relied ? a->nothers : 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SERIAL_CLAIM_DEVICE] = m->en.device_key;

    if (a->relied) {
        mdm_str_set(&args[MDM_ARG_SERIAL_CLAIM_ALONE], "1");

        if (a->nothers != 0) {
            memcpy(&args[MDM_ARG_SERIAL_CLAIM_OTHERS], a->others,
                   a->nothers * sizeof(mdm_str_t));
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_commit(mdm_exchange_t *x)
{
    int64_t              code;
    mdm_str_t           *args, *pairs, *subject;
    mdm_uint_t           n, given;
    mdm_message_t       *m;
    mdm_pin_dates_t      dates;
    mdm_authenticate_t  *a;

    static const mdm_str_t  event = mdm_string("mdm.Authenticate");

    m = x->ctx;
    a = m->data;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_MISMATCH);

    if (code < 0) {
        return mdm_authenticate_refuse(x, "the certificate belongs to "
                                       "another device");
    }

    if (code == 1) {
        m->claimed = 1;
    }

    if (a->serial.len != 0
        && mdm_reply_code(x->calls[1].reply, MDM_CODE_CHANGED) < 0)
    {
        /* somebody else is about to enroll with it: look when that is done */

        (void) mdm_exchange_unavailable(x);

        return mdm_message_unclaim(x, MDM_AUTHENTICATE_RELEASED);
    }

    if (mdm_checkin_authenticated(x, a->renewal, &pairs, &n, &given) != MDM_OK
        || mdm_message_nonce(x, m) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_AUTHENTICATE_END) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_authenticate, &m->en.tag, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_DEVICE] = m->en.device_key;
    args[MDM_ARG_AUTHENTICATE_CERT] = x->identity.digest;
    args[MDM_ARG_AUTHENTICATE_CHECKED] = m->pin.digest;
    args[MDM_ARG_AUTHENTICATE_MARKS] = m->pin.marks;
    args[MDM_ARG_AUTHENTICATE_KIND] = mdm_type_name(m->en.type);
    args[MDM_ARG_AUTHENTICATE_NONCE] = m->nonce;

    if (x->settings->keep_certificate) {
        args[MDM_ARG_AUTHENTICATE_DER] = x->identity.der;
    }

    subject = &args[MDM_ARG_AUTHENTICATE_SUBJECT];

    if (mdm_message_payload(x, &m->en.tag, &m->en.device_key,
                            mdm_topic(&event), &args[MDM_ARG_AUTHENTICATE_RAW])
        != MDM_OK
        || mdm_pin_certificate(x, subject, NULL) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_KNOWN] = mdm_authenticate_flag(m->pin.known);
    args[MDM_ARG_AUTHENTICATE_SERIAL] = m->pin.serial;
    args[MDM_ARG_AUTHENTICATE_WITHHOLD] = mdm_authenticate_flag(a->replaces
                        || (!a->renewal
                            && !mdm_binding_names(&m->binding,
                                                  m->pin.serial.len != 0)
                            && mdm_pin_withholds(x, &m->en, &m->pin,
                                                 subject)));
    args[MDM_ARG_AUTHENTICATE_WAY] = m->binding.c.way;
    args[MDM_ARG_AUTHENTICATE_RENEWAL] = mdm_authenticate_flag(a->renewal);

    if (mdm_message_number(x, &args[MDM_ARG_AUTHENTICATE_GRACE],
                           x->settings->renew_grace)
        != MDM_OK
        || mdm_pin_dates(x, &m->binding, &dates) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_AUTHENTICATE_CA] = dates.ca;
    args[MDM_ARG_AUTHENTICATE_SN] = dates.sn;
    args[MDM_ARG_AUTHENTICATE_ENDS] = dates.ends;
    args[MDM_ARG_AUTHENTICATE_RENEW] = dates.renew;

    if (mdm_message_number(x, &args[MDM_ARG_AUTHENTICATE_GIVEN], given)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    memcpy(&args[MDM_ARG_AUTHENTICATE_FIELDS], pairs, n * sizeof(mdm_str_t));

    return MDM_CALL;
}


static mdm_str_t
mdm_authenticate_flag(mdm_uint_t flag)
{
    mdm_str_t  s;

    mdm_str_set(&s, "0");

    if (flag) {
        mdm_str_set(&s, "1");
    }

    return s;
}


static mdm_int_t
mdm_authenticate_end(mdm_exchange_t *x)
{
    int64_t              code;
    mdm_str_t            old;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    code = mdm_reply_code(x->calls[0].reply, MDM_CODE_CHANGED);

    if (code == MDM_CODE_CHANGED) {

        /* another Authenticate came in between: look again at what it did */

        if (++m->tries == MDM_AUTHENTICATE_TRIES) {
            return mdm_exchange_unavailable(x);
        }

        return mdm_authenticate_look(x);
    }

    if (m->pin.digest.len != 0
        && !mdm_str_eq(&m->pin.digest, &x->identity.digest))
    {
        if (mdm_hex_str(x->arena, &old, &m->pin.digest) != MDM_OK) {
            return MDM_ERROR;
        }

        mdm_exchange_log(x, MDM_LOG_NOTICE, "the certificate of \"%.*s\" "
                         "was replaced: %.*s by %.*s",
                         mdm_fmt(&m->en.device_key), mdm_fmt(&old),
                         mdm_fmt(&x->identity.sha256));
    }

    if (mdm_reply_int(x->calls[0].reply, MDM_RET_AUTHENTICATE_WITHHELD, 0)
        == 1)
    {
        mdm_exchange_log(x, MDM_LOG_WARN, "the secrets of \"%.*s\" are "
                         "withheld: its new certificate %.*s %s",
                         mdm_fmt(&m->en.device_key),
                         mdm_fmt(&x->identity.sha256),
                         a->replaces ? "was given to whoever had a MachineInfo "
                                       "of it"
                                     : "has another subject and does not name "
                                       "the device");
    }

    return mdm_authenticate_drop(x);
}


/* the device had another serial number until now */

static mdm_int_t
mdm_authenticate_drop(mdm_exchange_t *x)
{
    mdm_str_t            key, *args;
    mdm_uint_t           replaced, dropped;
    mdm_message_t       *m;
    mdm_authenticate_t  *a;

    m = x->ctx;
    a = m->data;

    dropped = (m->pin.serial.len != 0
               && !mdm_str_eq_i(&m->pin.serial, &a->serial));

    replaced = (m->pin.digest.len == MDM_SHA256
                && !mdm_str_eq(&m->pin.digest, &x->identity.digest));

    if (!dropped && !replaced) {
        return mdm_exchange_empty(x, 200);
    }

    if (mdm_exchange_calls(x, dropped + replaced, MDM_AUTHENTICATE_DROPPED)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    /* if these fail, readers of the index find it out themselves */

    x->own_failures = 1;

    if (replaced
        && mdm_message_replaced_call(x, dropped, &m->pin.digest) != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (!dropped) {
        return MDM_CALL;
    }

    if (mdm_key_serial(x->arena, &key, &x->tenant, &m->pin.serial) != MDM_OK) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_serial_drop, &key, 1);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_SERIAL_DROP_DEVICES] = m->en.device_key;

    return MDM_CALL;
}


static mdm_int_t
mdm_authenticate_refuse(mdm_exchange_t *x, const char *why)
{
    (void) mdm_exchange_refuse(x, 403, "%s", why);

    /* refused after all, by a race: the claim is not to stay */

    return mdm_message_unclaim(x, MDM_AUTHENTICATE_RELEASED);
}
