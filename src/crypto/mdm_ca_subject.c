
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The template of subjects: parsed once, filled in for each certificate.
 */


#include <openssl/err.h>
#include <openssl/objects.h>

#include "mdm_ca.h"


/* bytes of an attribute's name or OID */
#define MDM_CA_ATTRIBUTE      64


typedef enum {
    MDM_CA_TEXT = 0,
    MDM_CA_ID,
    MDM_CA_DEVICE_SERIAL,
    MDM_CA_PERSON,
    MDM_CA_CHALLENGE_ID
} mdm_ca_variable_e;


typedef struct mdm_ca_part_s  mdm_ca_part_t;

struct mdm_ca_part_s {
    mdm_ca_variable_e         variable;
    mdm_str_t                 text;
    mdm_ca_part_t            *next;
};


typedef struct {
    int                       nid;
    mdm_ca_part_t            *parts;
} mdm_ca_rdn_t;


struct mdm_ca_subject_s {
    mdm_ca_rdn_t              rdns[MDM_CA_RDNS];
    mdm_uint_t                n;
};


static mdm_int_t mdm_ca_rdn_parse(mdm_arena_t *arena, const mdm_str_t *text,
    mdm_ca_rdn_t *rdn, const char **why, size_t *at);
static mdm_int_t mdm_ca_value_parse(mdm_arena_t *arena, const mdm_str_t *text,
    mdm_ca_rdn_t *rdn, const char **why, size_t *at);
static mdm_int_t mdm_ca_variable_parse(const mdm_str_t *text,
    mdm_ca_variable_e *variable, const char **why, size_t *at);
static mdm_int_t mdm_ca_attribute(const mdm_str_t *name, int *nid);
static mdm_int_t mdm_ca_rdn_value(mdm_arena_t *arena, const mdm_ca_rdn_t *rdn,
    const mdm_ca_issue_t *issue, mdm_str_t *value);
static const mdm_str_t *mdm_ca_part_value(const mdm_ca_part_t *part,
    const mdm_ca_issue_t *issue);
static mdm_int_t mdm_ca_rdn_add(X509_NAME *name, int nid,
    const mdm_str_t *value);
static int mdm_ca_string_type(int nid, const mdm_str_t *value);


static const struct {
    const char               *name;
    mdm_ca_variable_e         variable;
} mdm_ca_variables[] = {
    { "id", MDM_CA_ID },
    { "serial", MDM_CA_DEVICE_SERIAL },
    { "person", MDM_CA_PERSON },
    { "challenge_id", MDM_CA_CHALLENGE_ID }
};


mdm_int_t
mdm_ca_subject_parse(mdm_arena_t *arena, const mdm_str_t *text,
    mdm_ca_subject_t **subject, const char **why, size_t *at)
{
    mdm_int_t          rc;
    mdm_ca_subject_t  *s;

    *at = 0;

    if (!mdm_utf8_valid(text) || mdm_utf8_control(text)) {
        *why = "is not UTF-8, or has control characters";
        return MDM_DECLINED;
    }

    s = mdm_arena_zalloc(arena, sizeof(mdm_ca_subject_t));
    if (s == NULL) {
        return MDM_ERROR;
    }

    do {
        if (s->n == MDM_CA_RDNS) {
            *why = "has too many RDNs";
            return MDM_DECLINED;
        }

        /* each ends at the "," before the next */

        rc = mdm_ca_rdn_parse(arena, text, &s->rdns[s->n], why, at);
        if (rc != MDM_OK) {
            return rc;
        }

        s->n++;

    } while ((*at)++ < text->len);

    *subject = s;

    return MDM_OK;
}


static mdm_int_t
mdm_ca_rdn_parse(mdm_arena_t *arena, const mdm_str_t *text, mdm_ca_rdn_t *rdn,
    const char **why, size_t *at)
{
    u_char     *p, *end;
    mdm_str_t   name;

    end = text->data + text->len;
    p = text->data + *at;

    while (p < end && *p == ' ') {
        p++;
    }

    name.data = p;

    while (p < end && *p != '=' && *p != ',') {
        p++;
    }

    name.len = (size_t) (p - name.data);

    if (p == end || *p == ',') {
        *why = "has an RDN without \"=\"";
        return MDM_DECLINED;
    }

    if (mdm_ca_attribute(&name, &rdn->nid) != MDM_OK) {
        *why = "has an attribute that is not known";
        return MDM_DECLINED;
    }

    *at = (size_t) (p + 1 - text->data);

    return mdm_ca_value_parse(arena, text, rdn, why, at);
}


static mdm_int_t
mdm_ca_attribute(const mdm_str_t *name, int *nid)
{
    char  text[MDM_CA_ATTRIBUTE];

    if (name->len == 0 || name->len >= sizeof(text)
        || memchr(name->data, 0, name->len) != NULL)
    {
        return MDM_DECLINED;
    }

    memcpy(text, name->data, name->len);
    text[name->len] = '\0';

    ERR_set_mark();

    *nid = OBJ_txt2nid(text);

    ERR_pop_to_mark();

    return (*nid != NID_undef) ? MDM_OK : MDM_DECLINED;
}


static mdm_int_t
mdm_ca_value_parse(mdm_arena_t *arena, const mdm_str_t *text,
    mdm_ca_rdn_t *rdn, const char **why, size_t *at)
{
    u_char          *p, *end;
    mdm_int_t        rc;
    mdm_ca_part_t   *part, **last;

    end = text->data + text->len;
    last = &rdn->parts;

    for ( ;; ) {
        p = text->data + *at;

        if (p == end || *p == ',') {
            break;
        }

        if (*p == '+') {
            *why = "has an RDN of several values, which are not made";
            return MDM_DECLINED;
        }

        part = mdm_arena_zalloc(arena, sizeof(mdm_ca_part_t));
        if (part == NULL) {
            return MDM_ERROR;
        }

        *last = part;
        last = &part->next;

        if (end - p >= 2 && p[0] == '$' && p[1] == '{') {

            rc = mdm_ca_variable_parse(text, &part->variable, why, at);
            if (rc != MDM_OK) {
                return rc;
            }

            continue;
        }

        if (*p == '\\') {
            p++;

            if (p == end) {
                *why = "ends with \"\\\"";
                return MDM_DECLINED;
            }
        }

        part->text.data = p++;

        while (p < end && *p != ',' && *p != '+' && *p != '\\' && *p != '$') {
            p++;
        }

        part->text.len = (size_t) (p - part->text.data);
        *at = (size_t) (p - text->data);
    }

    if (rdn->parts == NULL) {
        *why = "has an RDN without a value";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ca_variable_parse(const mdm_str_t *text, mdm_ca_variable_e *variable,
    const char **why, size_t *at)
{
    size_t     i;
    u_char    *p, *close;
    mdm_str_t  name;

    p = text->data + *at;
    close = memchr(p, '}', text->len - *at);

    if (close == NULL) {
        *why = "has \"${\" without \"}\"";
        return MDM_DECLINED;
    }

    name.data = p + 2;
    name.len = (size_t) (close - name.data);

    for (i = 0; i < sizeof(mdm_ca_variables) / sizeof(mdm_ca_variables[0]);
         i++)
    {
        if (mdm_str_is(&name, mdm_ca_variables[i].name)) {
            *variable = mdm_ca_variables[i].variable;
            *at = (size_t) (close + 1 - text->data);
            return MDM_OK;
        }
    }

    *why = "has a variable that is none of ${id}, ${serial}, ${person} and "
           "${challenge_id}";

    return MDM_DECLINED;
}


X509_NAME *
mdm_ca_subject_name(mdm_arena_t *arena, const mdm_ca_subject_t *subject,
    const mdm_ca_issue_t *issue)
{
    mdm_str_t            value, serial;
    X509_NAME           *name;
    mdm_uint_t           i;
    const mdm_ca_rdn_t  *rdn;

    static const mdm_ca_part_t  challenge = {
        MDM_CA_CHALLENGE_ID, mdm_null_string, NULL
    };

    name = X509_NAME_new();
    if (name == NULL) {
        return NULL;
    }

    for (i = 0; i < subject->n; i++) {
        rdn = &subject->rdns[i];

        if (mdm_ca_rdn_value(arena, rdn, issue, &value) != MDM_OK) {
            goto failed;
        }

        if (value.len == 0 && rdn->nid == NID_commonName) {
            value = *mdm_ca_part_value(&challenge, issue);
        }

        if (value.len != 0
            && mdm_ca_rdn_add(name, rdn->nid, &value) != MDM_OK)
        {
            goto failed;
        }
    }

    if (X509_NAME_entry_count(name) != 0) {
        return name;
    }

    value = *mdm_ca_part_value(&challenge, issue);

    if (value.len == 0) {
        serial.data = (u_char *) issue->serial;
        serial.len = MDM_CA_SERIAL;

        if (mdm_hex_str(arena, &value, &serial) != MDM_OK) {
            goto failed;
        }
    }

    if (mdm_ca_rdn_add(name, NID_commonName, &value) == MDM_OK) {
        return name;
    }

failed:

    X509_NAME_free(name);

    return NULL;
}


static mdm_int_t
mdm_ca_rdn_value(mdm_arena_t *arena, const mdm_ca_rdn_t *rdn,
    const mdm_ca_issue_t *issue, mdm_str_t *value)
{
    u_char               *p;
    const mdm_str_t      *s;
    const mdm_ca_part_t  *part;

    value->len = 0;

    for (part = rdn->parts; part != NULL; part = part->next) {
        value->len += mdm_ca_part_value(part, issue)->len;
    }

    value->data = mdm_arena_alloc(arena, value->len);
    if (value->data == NULL) {
        return MDM_ERROR;
    }

    p = value->data;

    for (part = rdn->parts; part != NULL; part = part->next) {
        s = mdm_ca_part_value(part, issue);

        if (s->len != 0) {
            memcpy(p, s->data, s->len);
            p += s->len;
        }
    }

    return MDM_OK;
}


static const mdm_str_t *
mdm_ca_part_value(const mdm_ca_part_t *part, const mdm_ca_issue_t *issue)
{
    const mdm_str_t  *value;

    static const mdm_str_t  empty = mdm_null_string;

    switch (part->variable) {

    case MDM_CA_ID:
        value = &issue->id;
        break;

    case MDM_CA_DEVICE_SERIAL:
        value = &issue->device_serial;
        break;

    case MDM_CA_PERSON:
        value = &issue->person;
        break;

    case MDM_CA_CHALLENGE_ID:
        value = &issue->challenge_id;
        break;

    default: /* MDM_CA_TEXT */
        return &part->text;
    }

    return (mdm_utf8_valid(value) && !mdm_utf8_control(value)) ? value
                                                               : &empty;
}


/* the length is not limited: a certificate must name its device */

static mdm_int_t
mdm_ca_rdn_add(X509_NAME *name, int nid, const mdm_str_t *value)
{
    return (X509_NAME_add_entry_by_NID(name, nid,
                                       mdm_ca_string_type(nid, value),
                                       value->data, (int) value->len, -1, 0)
            == 1)
           ? MDM_OK : MDM_ERROR;
}


/* RFC 5280, appendix A: some attributes are PrintableString or IA5String */

static int
mdm_ca_string_type(int nid, const mdm_str_t *value)
{
    u_char  ch;
    size_t  i;

    switch (nid) {

    case NID_serialNumber:
    case NID_countryName:
    case NID_dnQualifier:

        for (i = 0; i < value->len; i++) {
            ch = value->data[i];

            if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z')
                && !(ch >= '0' && ch <= '9')
                && (ch == 0 || strchr(" '()+,-./:=?", ch) == NULL))
            {
                return V_ASN1_UTF8STRING;
            }
        }

        return V_ASN1_PRINTABLESTRING;

    case NID_pkcs9_emailAddress:
    case NID_domainComponent:

        for (i = 0; i < value->len; i++) {
            if (value->data[i] > 0x7f) {
                return V_ASN1_UTF8STRING;
            }
        }

        return V_ASN1_IA5STRING;

    default:
        return V_ASN1_UTF8STRING;
    }
}
