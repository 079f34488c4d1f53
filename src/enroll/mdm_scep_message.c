
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads what SCEP clients send.
 */


#include <openssl/err.h>

#include "mdm_scep_message.h"


#define MDM_SCEP_OID          "2.16.840.1.113733.1.9."
#define MDM_SCEP_OID_TYPE     MDM_SCEP_OID "2"
#define MDM_SCEP_OID_NONCE    MDM_SCEP_OID "5"
#define MDM_SCEP_OID_TRANSACTION  MDM_SCEP_OID "7"


static mdm_uint_t mdm_scep_argument(const mdm_str_t *query, const char *name,
    mdm_str_t *value);
static mdm_uint_t mdm_scep_transaction(const mdm_str_t *s);
static mdm_int_t mdm_scep_refused(mdm_scep_message_t *message,
    mdm_scep_fail_e fail);
static mdm_int_t mdm_scep_policy(const mdm_scep_t *scep, int64_t now,
    mdm_scep_message_t *message, const char **why);
static mdm_int_t mdm_scep_request(mdm_arena_t *arena, const mdm_scep_t *scep,
    mdm_scep_message_t *message, const char **why);
static void mdm_scep_asked(const mdm_scep_t *scep,
    mdm_scep_message_t *message);
static void mdm_scep_spend(const mdm_scep_message_t *message);


mdm_scep_operation_e
mdm_scep_query(const mdm_str_t *query, mdm_str_t *message)
{
    mdm_str_t  operation;

    mdm_str_null(message);
    (void) mdm_scep_argument(query, "message", message);

    if (!mdm_scep_argument(query, "operation", &operation)) {
        return MDM_SCEP_UNKNOWN;
    }

    if (mdm_str_is(&operation, "GetCACaps")) {
        return MDM_SCEP_GET_CA_CAPS;
    }

    if (mdm_str_is(&operation, "GetCACert")) {
        return MDM_SCEP_GET_CA_CERT;
    }

    if (mdm_str_is(&operation, "PKIOperation")) {
        return MDM_SCEP_PKI_OPERATION;
    }

    return MDM_SCEP_UNKNOWN;
}


/* the first of that name; a "=" in the value is a part of it */

static mdm_uint_t
mdm_scep_argument(const mdm_str_t *query, const char *name, mdm_str_t *value)
{
    u_char     *p, *end, *next, *is;
    mdm_str_t   key;

    if (query->len == 0) {
        return 0;
    }

    p = query->data;
    end = p + query->len;

    while (p < end) {
        next = memchr(p, '&', (size_t) (end - p));

        if (next == NULL) {
            next = end;
        }

        is = memchr(p, '=', (size_t) (next - p));

        if (is != NULL) {
            key.data = p;
            key.len = (size_t) (is - p);

            if (mdm_str_is(&key, name)) {
                value->data = is + 1;
                value->len = (size_t) (next - is - 1);
                return 1;
            }
        }

        p = next + 1;
    }

    return 0;
}


mdm_int_t
mdm_scep_decode(mdm_arena_t *arena, const mdm_str_t *message, mdm_str_t *der)
{
    u_char     *dst, ch;
    size_t      i;
    mdm_int_t   rc;
    mdm_str_t   text, base64;

    if (message->len == 0 || message->len > 2 * MDM_SCEP_SIZE) {
        return MDM_DECLINED;
    }

    rc = mdm_unescape(arena, &text, message);
    if (rc != MDM_OK) {
        return rc;
    }

    base64.data = mdm_arena_alloc(arena, text.len + 3);
    if (base64.data == NULL) {
        return MDM_ERROR;
    }

    dst = base64.data;

    for (i = 0; i < text.len; i++) {
        ch = text.data[i];

        if (ch == '=' || ch == '\r' || ch == '\n') {
            continue;
        }

        *dst++ = (ch == '-') ? '+' : (ch == '_') ? '/' : ch;
    }

    while ((dst - base64.data) % 4 != 0 && (dst - base64.data) % 4 != 1) {
        *dst++ = '=';
    }

    base64.len = (size_t) (dst - base64.data);

    return mdm_unbase64(arena, der, &base64);
}


mdm_int_t
mdm_scep_read(mdm_arena_t *arena, const mdm_str_t *der, int64_t now,
    mdm_scep_message_t *message, const char **why)
{
    int64_t    type;
    mdm_int_t  rc;
    mdm_str_t  text;

    static const mdm_cms_options_t  options = { 1, NULL, NULL, 1 };

    memset(message, 0, sizeof(mdm_scep_message_t));

    if (der->len > MDM_SCEP_SIZE) {
        *why = "message is too long";
        return MDM_DECLINED;
    }

    rc = mdm_cms_read(arena, der, &options, now, &message->outer, why);
    if (rc != MDM_OK) {
        return (rc == MDM_ERROR) ? MDM_ERROR : MDM_DECLINED;
    }

    rc = mdm_cms_attribute(&message->outer, MDM_SCEP_OID_TRANSACTION,
                           &message->transaction);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || !mdm_scep_transaction(&message->transaction)) {
        *why = "message has no transactionID";
        return MDM_DECLINED;
    }

    rc = mdm_cms_attribute(&message->outer, MDM_SCEP_OID_NONCE,
                           &message->nonce);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc != MDM_OK || message->nonce.len > MDM_SCEP_NONCE) {
        mdm_str_null(&message->nonce);
    }

    rc = mdm_cms_attribute(&message->outer, MDM_SCEP_OID_TYPE, &text);
    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (rc == MDM_OK && text.len <= 3 && mdm_atoi(&text, &type) == MDM_OK) {
        message->type = (mdm_uint_t) type;
    }

    return MDM_OK;
}


/* it goes into the reply and into lines of the log */

static mdm_uint_t
mdm_scep_transaction(const mdm_str_t *s)
{
    size_t  i;

    if (s->len == 0 || s->len > MDM_SCEP_TRANSACTION) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


static mdm_int_t
mdm_scep_refused(mdm_scep_message_t *message, mdm_scep_fail_e fail)
{
    message->fail = fail;

    return MDM_DECLINED;
}


mdm_int_t
mdm_scep_open(mdm_arena_t *arena, const mdm_scep_t *scep, int64_t now,
    mdm_scep_message_t *message, const char **why)
{
    mdm_int_t            rc;
    mdm_envelope_keys_t  keys;

    rc = mdm_scep_policy(scep, now, message, why);
    if (rc != MDM_OK) {
        return rc;
    }

    memset(&keys, 0, sizeof(mdm_envelope_keys_t));
    keys.cert[0] = scep->ca->cert;
    keys.key[0] = scep->ca->key;
    keys.cert[1] = scep->ca->ra;
    keys.key[1] = scep->ca->ra_key;
    keys.des3 = scep->des3;
    keys.des = scep->des;

    rc = mdm_envelope_open(arena, &message->outer.content, &keys,
                           &message->envelope, why);

    if (rc == MDM_ENVELOPE_CIPHER) {
        return mdm_scep_refused(message, MDM_SCEP_BAD_ALG);
    }

    if (rc == MDM_DECLINED) {
        return mdm_scep_refused(message, MDM_SCEP_BAD_MESSAGE_CHECK);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (message->type == MDM_SCEP_CERT_POLL) {
        mdm_scep_asked(scep, message);
        return MDM_OK;
    }

    return mdm_scep_request(arena, scep, message, why);
}


/* what everybody can see of it */

static mdm_int_t
mdm_scep_policy(const mdm_scep_t *scep, int64_t now,
    mdm_scep_message_t *message, const char **why)
{
    int64_t    when;
    EVP_PKEY  *key;

    if (message->nonce.len == 0) {
        *why = "message has no senderNonce, or too long a one";
        return mdm_scep_refused(message, MDM_SCEP_BAD_MESSAGE_CHECK);
    }

    switch (message->outer.digest) {

    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
        break;

    case NID_sha1:
        if (scep->sha1) {
            break;
        }

        /* fall through */

    default:
        *why = "digest of the message is not accepted";
        return mdm_scep_refused(message, MDM_SCEP_BAD_ALG);
    }

    if (message->type != MDM_SCEP_PKCS_REQ
        && message->type != MDM_SCEP_RENEWAL_REQ
        && message->type != MDM_SCEP_CERT_POLL)
    {
        *why = "type of the message is not served";
        return mdm_scep_refused(message, MDM_SCEP_BAD_REQUEST);
    }

    if (mdm_cms_signing_time(&message->outer, &when) == MDM_OK
        && (when < now - MDM_SCEP_TIME || when > now + MDM_SCEP_TIME))
    {
        *why = "signingTime is too far from ours";
        return mdm_scep_refused(message, MDM_SCEP_BAD_TIME);
    }

    /* the reply is encrypted for it */

    key = X509_get0_pubkey(message->outer.signer);

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA
        || EVP_PKEY_get_bits(key) > MDM_CA_KEY_MAX)
    {
        *why = "key of the signer is not RSA, or too long";
        return mdm_scep_refused(message, MDM_SCEP_BAD_ALG);
    }

    return MDM_OK;
}


/* IssuerAndSubject, RFC 8894, 3.3.3; what cannot be read asks for nothing */

static void
mdm_scep_asked(const mdm_scep_t *scep, mdm_scep_message_t *message)
{
    int            tag, class;
    long           len;
    X509_NAME     *issuer, *subject;
    mdm_str_t      der;
    mdm_uint_t     padded;
    const u_char  *p, *name, *end;

    if (mdm_envelope_object(&message->envelope, &der, &padded) != MDM_OK
        || !padded)
    {
        return;
    }

    ERR_set_mark();

    p = der.data;
    end = p + der.len;
    subject = NULL;

    (void) ASN1_get_object(&p, &len, &tag, &class, (long) der.len);

    issuer = d2i_X509_NAME(NULL, &p, (long) (end - p));
    name = p;

    if (issuer != NULL) {
        subject = d2i_X509_NAME(NULL, &p, (long) (end - p));
    }

    if (subject != NULL && p == end
        && X509_NAME_cmp(issuer, X509_get_subject_name(scep->ca->cert)) == 0)
    {
        message->subject.data = (u_char *) (uintptr_t) name;
        message->subject.len = (size_t) (end - name);
    }

    X509_NAME_free(issuer);
    X509_NAME_free(subject);

    ERR_pop_to_mark();
}


/*
 * The signature is verified before anything is said of what was found, and the
 * padding is looked at behind it: who changes a message of somebody else gets
 * one answer, after the time of one verification.
 */

static mdm_int_t
mdm_scep_request(mdm_arena_t *arena, const mdm_scep_t *scep,
    mdm_scep_message_t *message, const char **why)
{
    mdm_int_t   rc;
    mdm_str_t   der;
    mdm_uint_t  padded;

    rc = mdm_envelope_object(&message->envelope, &der, &padded);

    if (rc == MDM_OK) {
        rc = mdm_ca_request_read(arena, &der, scep->ca->key_minimum,
                                 &message->request, why);

    } else {
        *why = "envelope does not open, or holds no certificate request";
    }

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    if (!message->request.verified) {
        mdm_scep_spend(message);
    }

    if (rc == MDM_DECLINED) {
        return mdm_scep_refused(message, MDM_SCEP_BAD_MESSAGE_CHECK);
    }

    if (!padded) {
        *why = "padding of the envelope is wrong";
        return mdm_scep_refused(message, MDM_SCEP_BAD_MESSAGE_CHECK);
    }

    return (rc == MDM_CA_KEY) ? mdm_scep_refused(message, MDM_SCEP_BAD_ALG)
                              : MDM_OK;
}


/* as long as it takes to verify a signature by the client's key */

static void
mdm_scep_spend(const mdm_scep_message_t *message)
{
    int          size;
    u_char       sig[MDM_CA_KEY_MAX / 8];
    EVP_PKEY    *key;
    EVP_MD_CTX  *ctx;

    key = X509_get0_pubkey(message->outer.signer);
    size = EVP_PKEY_get_size(key);

    if (size > (int) sizeof(sig)) {
        size = (int) sizeof(sig);
    }

    memset(sig, 0x55, sizeof(sig));

    ERR_set_mark();

    ctx = EVP_MD_CTX_new();

    if (ctx != NULL
        && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1)
    {
        (void) EVP_DigestVerify(ctx, sig, (size_t) size,
                                message->envelope.content.data,
                                message->envelope.content.len);
    }

    EVP_MD_CTX_free(ctx);

    ERR_pop_to_mark();
}
