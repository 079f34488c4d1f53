
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * SCEP replies: who signed, whether it answers the request, and what it
 * brings.  The peer may be hostile.
 */


#include "mdmsim_ca.h"
#include "mdmsim_scep.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>


static CMS_ContentInfo *sim_scep_parse(OSSL_LIB_CTX *lib, const void *data,
    size_t len, int nid);
static CMS_SignerInfo *sim_scep_signed(sim_scep_t *s, CMS_ContentInfo *cms,
    sim_buf_t *content);
static int sim_scep_verify(sim_scep_t *s, CMS_ContentInfo *cms,
    sim_buf_t *content);
static void sim_scep_expected(sim_scep_t *s, CMS_ContentInfo *cms,
    CMS_SignerInfo *si);
static int sim_scep_attributes(sim_scep_t *s, CMS_SignerInfo *si);
static int sim_scep_text(CMS_SignerInfo *si, const char *oid);
static int sim_scep_failure(sim_scep_t *s, CMS_SignerInfo *si);
static int sim_scep_open(sim_scep_t *s, const sim_buf_t *envelope);
static void sim_scep_cipher(sim_scep_t *s, const sim_buf_t *envelope);
static int sim_scep_issued(sim_scep_t *s, STACK_OF(X509) *certs);
static int sim_scep_trusted(sim_scep_t *s, STACK_OF(X509) *certs);


static const char  *sim_scep_fail_infos[] = {
    "badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"
};


const char *
sim_scep_fail_info(int n)
{
    return n >= 0 && n < SIM_SCEP_FAIL_INFOS ? sim_scep_fail_infos[n]
                                             : "of no known reason";
}


int
sim_scep_reply(sim_scep_t *s, const char *data, size_t len)
{
    int               rc;
    sim_buf_t         content;
    CMS_SignerInfo   *si;
    CMS_ContentInfo  *cms;

    memset(&content, 0, sizeof(sim_buf_t));

    cms = sim_scep_parse(NULL, data, len, NID_pkcs7_signed);

    if (cms == NULL) {
        rc = sim_scep_fail(s, SIM_SCEP_WRONG, "the reply is not signed data");
        goto done;
    }

    si = sim_scep_signed(s, cms, &content);

    if (si == NULL || sim_scep_attributes(s, si) != SIM_OK) {
        rc = SIM_ERROR;
        goto done;
    }

    sim_scep_expected(s, cms, si);

    switch (s->status) {

    case 0:
        rc = sim_scep_open(s, &content);
        break;

    case 3:
        s->pending++;
        rc = SIM_AGAIN;
        break;

    default:
        rc = sim_scep_failure(s, si);
    }

done:

    CMS_ContentInfo_free(cms);
    sim_buf_free(&content);
    ERR_clear_error();

    return rc;
}


static CMS_ContentInfo *
sim_scep_parse(OSSL_LIB_CTX *lib, const void *data, size_t len, int nid)
{
    const uint8_t    *p;
    CMS_ContentInfo  *cms;

    cms = CMS_ContentInfo_new_ex(lib, NULL);
    if (cms == NULL) {
        sim_ssl_die("no message");
    }

    /* on an error, it is freed and NULL */

    p = data;
    (void) d2i_CMS_ContentInfo(&cms, &p, (long) len);

    if (cms != NULL
        && (p != (const uint8_t *) data + len
            || OBJ_obj2nid(CMS_get0_type(cms)) != nid))
    {
        CMS_ContentInfo_free(cms);
        return NULL;
    }

    return cms;
}


/* one signer, and it is the one that GetCACert has shown */

static CMS_SignerInfo *
sim_scep_signed(sim_scep_t *s, CMS_ContentInfo *cms, sim_buf_t *content)
{
    CMS_SignerInfo            *si;
    STACK_OF(CMS_SignerInfo)  *signers;

    signers = CMS_get0_SignerInfos(cms);

    if (signers == NULL || sk_CMS_SignerInfo_num(signers) != 1) {
        (void) sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the reply has %d signers", signers == NULL
                             ? 0 : sk_CMS_SignerInfo_num(signers));
        return NULL;
    }

    si = sk_CMS_SignerInfo_value(signers, 0);

    if (CMS_SignerInfo_cert_cmp(si, s->server.signer) != 0) {
        (void) sim_scep_fail(s, SIM_SCEP_WRONG, "the reply is signed by"
                             " another certificate than GetCACert's");
        return NULL;
    }

    if (CMS_signed_get_attr_count(si) <= 0) {
        (void) sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the reply has no signed attributes");
        return NULL;
    }

    return sim_scep_verify(s, cms, content) == SIM_OK ? si : NULL;
}


static int
sim_scep_verify(sim_scep_t *s, CMS_ContentInfo *cms, sim_buf_t *content)
{
    int                   rc;
    BIO                  *out, *none;
    char                 *p;
    long                  n;
    STACK_OF(X509)       *certs;
    ASN1_OCTET_STRING   **text;

    out = BIO_new(BIO_s_mem());
    certs = sk_X509_new_null();

    if (out == NULL || certs == NULL
        || !sk_X509_push(certs, s->server.signer))
    {
        sim_ssl_die("no memory");
    }

    /* without an envelope there is nothing that is signed */

    none = NULL;
    text = CMS_get0_content(cms);

    if (text == NULL || *text == NULL) {
        none = BIO_new(BIO_s_mem());

        if (none == NULL) {
            sim_ssl_die("no memory");
        }

        BIO_set_mem_eof_return(none, 0);
    }

    rc = CMS_verify(cms, certs, NULL, none, out,
                    CMS_BINARY|CMS_NO_SIGNER_CERT_VERIFY|CMS_NOINTERN);

    if (rc == 1) {
        n = BIO_get_mem_data(out, &p);
        sim_buf_add(content, p, n > 0 ? (size_t) n : 0);

    } else {
        (void) sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the signature of the reply is wrong");
    }

    BIO_free(out);
    BIO_free(none);
    sk_X509_free(certs);

    return rc == 1 ? SIM_OK : SIM_ERROR;
}


/* what a device may forgive */

static void
sim_scep_expected(sim_scep_t *s, CMS_ContentInfo *cms, CMS_SignerInfo *si)
{
    int              i, found, nid;
    X509_ALGOR      *alg;
    const EVP_MD    *md;
    STACK_OF(X509)  *certs;

    found = 0;
    certs = CMS_get1_certs(cms);

    for (i = 0; certs != NULL && i < sk_X509_num(certs); i++) {
        found |= X509_cmp(sk_X509_value(certs, i), s->server.signer) == 0;
    }

    sk_X509_pop_free(certs, X509_free);

    if (!found) {
        sim_scep_warn(s, "the signer's certificate is not in the reply");
    }

    CMS_SignerInfo_get0_algs(si, NULL, NULL, &alg, NULL);
    nid = OBJ_obj2nid(alg->algorithm);
    md = EVP_get_digestbyname(s->server.digest);

    if (md == NULL || nid != EVP_MD_get_type(md)) {
        sim_scep_warn(s, "the reply is signed with %s, the request with %s",
                      OBJ_nid2sn(nid), s->server.digest);
    }

    if (sim_scep_attr(si, SIM_OID_NONCE, V_ASN1_OCTET_STRING) == NULL) {
        sim_scep_warn(s, "the reply has no senderNonce");
    }
}


/* a small number as text; -1: there is none */

static int
sim_scep_text(CMS_SignerInfo *si, const char *oid)
{
    const ASN1_STRING  *v;
    const uint8_t      *p;

    v = sim_scep_attr(si, oid, V_ASN1_PRINTABLESTRING);

    if (v == NULL || ASN1_STRING_length(v) != 1) {
        return -1;
    }

    p = ASN1_STRING_get0_data(v);

    return p[0] < '0' || p[0] > '9' ? -1 : p[0] - '0';
}


static int
sim_scep_attributes(sim_scep_t *s, CMS_SignerInfo *si)
{
    const ASN1_STRING  *v;

    if (sim_scep_text(si, SIM_OID_TYPE) != SIM_SCEP_REPLY) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the messageType of the reply is not 3");
    }

    v = sim_scep_attr(si, SIM_OID_ID, V_ASN1_PRINTABLESTRING);

    if (v == NULL || (size_t) ASN1_STRING_length(v) != strlen(s->id)
        || memcmp(ASN1_STRING_get0_data(v), s->id, strlen(s->id)) != 0)
    {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the reply is of another transaction");
    }

    v = sim_scep_attr(si, SIM_OID_RECIPIENT, V_ASN1_OCTET_STRING);

    if (v == NULL || ASN1_STRING_length(v) != SIM_SCEP_NONCE
        || memcmp(ASN1_STRING_get0_data(v), s->nonce, SIM_SCEP_NONCE) != 0)
    {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the recipientNonce is not ours");
    }

    s->status = sim_scep_text(si, SIM_OID_STATUS);

    if (s->status != 0 && s->status != 2 && s->status != 3) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the pkiStatus is not 0, 2 or 3");
    }

    return SIM_OK;
}


static int
sim_scep_failure(sim_scep_t *s, CMS_SignerInfo *si)
{
    const ASN1_STRING  *v;

    s->fail_info = sim_scep_text(si, SIM_OID_FAIL_INFO);

    if (s->fail_info < 0 || s->fail_info >= SIM_SCEP_FAIL_INFOS) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "FAILURE without a failInfo from 0 to 4");
    }

    v = sim_scep_attr(si, SIM_OID_FAIL_TEXT, V_ASN1_UTF8STRING);

    return sim_scep_fail(s, SIM_SCEP_REFUSED, "FAILURE %s%s%.*s%s",
                         sim_scep_fail_info(s->fail_info),
                         v == NULL ? "" : " (",
                         v == NULL ? 0 : ASN1_STRING_length(v),
                         v == NULL ? ""
                         : (const char *) ASN1_STRING_get0_data(v),
                         v == NULL ? "" : ")");
}


/* encrypted for the certificate that signed the request */

static int
sim_scep_open(sim_scep_t *s, const sim_buf_t *envelope)
{
    int               rc;
    BIO              *out;
    char             *p;
    long              n;
    STACK_OF(X509)   *certs;
    CMS_ContentInfo  *cms, *inner;

    cms = sim_scep_parse(s->lib, envelope->data, envelope->len,
                         NID_pkcs7_enveloped);

    if (cms == NULL) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "SUCCESS without enveloped data");
    }

    sim_scep_cipher(s, envelope);

    out = BIO_new(BIO_s_mem());
    if (out == NULL) {
        sim_ssl_die("no memory");
    }

    rc = CMS_decrypt(cms, s->signer_key, s->signer, NULL, out,
                     CMS_BINARY|CMS_DEBUG_DECRYPT);
    CMS_ContentInfo_free(cms);

    if (rc != 1) {
        BIO_free(out);
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "the envelope of the reply does not open");
    }

    n = BIO_get_mem_data(out, &p);
    inner = sim_scep_parse(NULL, p, n > 0 ? (size_t) n : 0,
                           NID_pkcs7_signed);
    BIO_free(out);

    certs = inner == NULL ? NULL : CMS_get1_certs(inner);
    CMS_ContentInfo_free(inner);

    if (certs == NULL) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "there are no certificates in the envelope");
    }

    rc = sim_scep_issued(s, certs);
    sk_X509_pop_free(certs, X509_free);

    return rc;
}


/* OpenSSL does not tell, but the name of the cipher stands there */

static void
sim_scep_cipher(sim_scep_t *s, const sim_buf_t *envelope)
{
    int           n, nid;
    uint8_t      *der;
    const char   *c;

    c = s->server.cipher;
    nid = strcmp(c, "aes128") == 0 ? NID_aes_128_cbc
          : strcmp(c, "aes192") == 0 ? NID_aes_192_cbc
          : strcmp(c, "aes256") == 0 ? NID_aes_256_cbc
          : strcmp(c, "des3") == 0 ? NID_des_ede3_cbc : NID_des_cbc;

    der = NULL;
    n = i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &der);

    if (n <= 0) {
        sim_ssl_die("no OID");
    }

    if (memmem(envelope->data, envelope->len, der, (size_t) n) == NULL) {
        sim_scep_warn(s, "the reply is not encrypted with %s, as the request"
                      " is", c);
    }

    OPENSSL_free(der);
}


static int
sim_scep_issued(sim_scep_t *s, STACK_OF(X509) *certs)
{
    int    i;
    X509  *cert;

    for (i = 0; i < sk_X509_num(certs) && s->issued == NULL; i++) {
        cert = sk_X509_value(certs, i);

        if (EVP_PKEY_eq(X509_get0_pubkey(cert), s->key) != 1) {
            continue;
        }

        if (X509_up_ref(cert) != 1) {
            sim_ssl_die("cannot keep a certificate");
        }

        s->issued = cert;

        if (i != 0) {
            sim_scep_warn(s, "our certificate is not the first one");
        }
    }

    cert = s->issued;

    if (cert == NULL) {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "no certificate in the reply has our key");
    }

    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0
        || X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
    {
        return sim_scep_fail(s, SIM_SCEP_WRONG,
                             "our certificate is not valid now");
    }

    return sim_scep_trusted(s, certs);
}


/* by a CA of the reply or of GetCACert */

static int
sim_scep_trusted(sim_scep_t *s, STACK_OF(X509) *certs)
{
    int              i, k;
    X509            *issuer;
    STACK_OF(X509)  *lists[2];

    lists[0] = certs;
    lists[1] = s->server.certs;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < sk_X509_num(lists[k]); i++) {
            issuer = sk_X509_value(lists[k], i);

            if (issuer != s->issued
                && X509_NAME_cmp(X509_get_subject_name(issuer),
                                 X509_get_issuer_name(s->issued))
                   == 0
                && X509_verify(s->issued, X509_get0_pubkey(issuer)) == 1)
            {
                return SIM_OK;
            }
        }
    }

    return sim_scep_fail(s, SIM_SCEP_WRONG,
                         "our certificate is of a CA that was not shown");
}
