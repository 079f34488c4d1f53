
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks mdm_enrollment { }: what may stand in them.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_block.h"
#include "ngx_mdm_enrollment.h"

#include "mdm_profile.h"


/* files of certificates, words */
#define NGX_MDM_ENROLLMENT_LIST  64

/* bits of AccessRights */
#define NGX_MDM_ENROLLMENT_RIGHTS  8191


static char *ngx_mdm_enrollment_files(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_enrollment_sign(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_enrollment_capabilities(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_enrollment_identity(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static char *ngx_mdm_enrollment_option(ngx_conf_t *cf,
    ngx_mdm_enrollment_t *en, ngx_str_t *value);
static char *ngx_mdm_enrollment_minimum(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
static ngx_uint_t ngx_mdm_enrollment_version(ngx_str_t *version);
static ngx_uint_t ngx_mdm_enrollment_prefix(ngx_str_t *value,
    const char *prefix, ngx_str_t *rest);
static void ngx_mdm_enrollment_free(void *data);


static ngx_mdm_block_command_t  ngx_mdm_enrollment_commands[] = {
    { ngx_string("identifier"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, identifier), 0, 0 },
    { ngx_string("display_name"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, display_name), 0, 0 },
    { ngx_string("organization"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, organization), 0, 0 },
    { ngx_string("description"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, description), 0, 0 },
    { ngx_string("topic"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, topic), 0, 0 },
    { ngx_string("server_url"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, server_url), 0, 0 },
    { ngx_string("checkin_url"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, checkin_url), 0, 0 },
    { ngx_string("enroll_url"), 1, 1, ngx_mdm_block_text,
      offsetof(ngx_mdm_enrollment_t, enroll_url), 0, 0 },
    { ngx_string("access_rights"), 1, 1, ngx_mdm_block_number,
      offsetof(ngx_mdm_enrollment_t, access_rights), 1,
      NGX_MDM_ENROLLMENT_RIGHTS },
    { ngx_string("capabilities"), 1, NGX_MDM_ENROLLMENT_LIST,
      ngx_mdm_enrollment_capabilities, 0, 0, 0 },
    { ngx_string("sign_message"), 1, 1, ngx_mdm_block_flag,
      offsetof(ngx_mdm_enrollment_t, sign_message), 0, 0 },
    { ngx_string("checkout"), 1, 1, ngx_mdm_block_flag,
      offsetof(ngx_mdm_enrollment_t, checkout), 0, 0 },
    { ngx_string("pin"), 1, 1, ngx_mdm_block_flag,
      offsetof(ngx_mdm_enrollment_t, pin), 0, 0 },
    { ngx_string("identity"), 3, 7, ngx_mdm_enrollment_identity, 0, 0, 0 },
    { ngx_string("trust_certificate"), 1, NGX_MDM_ENROLLMENT_LIST,
      ngx_mdm_enrollment_files, offsetof(ngx_mdm_enrollment_t, trust), 0, 0 },
    { ngx_string("apple_ca"), 1, NGX_MDM_ENROLLMENT_LIST,
      ngx_mdm_enrollment_files, offsetof(ngx_mdm_enrollment_t, apple), 0, 0 },
    { ngx_string("sign"), 2, 3, ngx_mdm_enrollment_sign, 0, 0, 0 },
    { ngx_string("minimum_os"), 2, 5, ngx_mdm_enrollment_minimum, 0, 0, 0 },
    ngx_mdm_block_null_command
};


static ngx_str_t  ngx_mdm_enrollment_known[] = {
    ngx_string("per-user-connections"),
    ngx_string("bootstraptoken"),
    ngx_string("token"),
    ngx_null_string
};


static ngx_str_t  ngx_mdm_enrollment_systems[] = {
    ngx_string("iOS"),
    ngx_string("iPadOS"),
    ngx_string("macOS"),
    ngx_string("tvOS"),
    ngx_string("visionOS"),
    ngx_string("watchOS"),
    ngx_null_string
};


/* mdm_enrollment NAME { … } */

char *
ngx_mdm_enrollment(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                  *rv;
    ngx_str_t             *value, *name;
    ngx_array_t           *enrollments;
    ngx_pool_cleanup_t    *cln;
    ngx_mdm_enrollment_t  *en, **p;

    enrollments = (ngx_array_t *) ((u_char *) conf + cmd->offset);

    value = cf->args->elts;
    name = &value[1];

    rv = ngx_mdm_block_check_name(cf, "mdm enrollment", name);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    en = ngx_mdm_enrollment_find(enrollments, name);

    if (en != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "mdm enrollment \"%V\" is already defined in "
                           "%s:%ui", name, en->place.file, en->place.line);
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_mdm_enrollment_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    en = cln->data;
    ngx_memzero(en, sizeof(ngx_mdm_enrollment_t));

    cln->handler = ngx_mdm_enrollment_free;

    en->arena = mdm_arena_create(4096);
    if (en->arena == NULL) {
        return NGX_CONF_ERROR;
    }

    en->name = *name;
    ngx_mdm_place_set(cf, &en->place);

    en->access_rights = NGX_CONF_UNSET_UINT;
    en->sign_message = NGX_CONF_UNSET_UINT;
    en->checkout = NGX_CONF_UNSET_UINT;
    en->pin = NGX_CONF_UNSET_UINT;
    en->keysize = NGX_CONF_UNSET_UINT;
    en->retries = NGX_CONF_UNSET_UINT;
    en->retry_delay = NGX_CONF_UNSET_UINT;
    en->fingerprint = NGX_CONF_UNSET_UINT;

    rv = ngx_mdm_block_parse(cf, "mdm_enrollment", ngx_mdm_enrollment_commands,
                             en);

    if (rv == NGX_CONF_OK) {
        rv = ngx_mdm_enrollment_finish(cf, en);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    p = ngx_array_push(enrollments);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = en;

    return NGX_CONF_OK;
}


ngx_mdm_enrollment_t *
ngx_mdm_enrollment_find(ngx_array_t *enrollments, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_mdm_enrollment_t  **en;

    en = enrollments->elts;

    for (i = 0; i < enrollments->nelts; i++) {

        if (en[i]->name.len == name->len
            && ngx_memcmp(en[i]->name.data, name->data, name->len) == 0)
        {
            return en[i];
        }
    }

    return NULL;
}


char *
ngx_mdm_enrollment_resolve(ngx_conf_t *cf, ngx_array_t *enrollments,
    ngx_array_t *cas)
{
    ngx_uint_t              i;
    mdm_enroll_scep_t      *scep;
    ngx_mdm_enrollment_t  **p, *en;

    p = enrollments->elts;

    for (i = 0; i < enrollments->nelts; i++) {
        en = p[i];
        en->ca = ngx_mdm_ca_find(cas, &en->ca_name);

        if (en->ca == NULL) {
            ngx_mdm_place_log(NGX_LOG_EMERG, cf, &en->identity_place,
                              "mdm ca \"%V\" is not defined", &en->ca_name);
            return NGX_CONF_ERROR;
        }

        if (en->keysize < en->ca->key_minimum) {
            ngx_mdm_place_log(NGX_LOG_EMERG, cf, &en->identity_place,
                              "\"keysize=%ui\" is less than \"key_minimum\" "
                              "of mdm ca \"%V\"", en->keysize, &en->ca_name);
            return NGX_CONF_ERROR;
        }

        scep = &en->core.scep;
        scep->ca = &en->ca->core;

        en->core.tenants = en->ca->tenants->elts;
        en->core.ntenants = en->ca->tenants->nelts;

        if (en->fingerprint
            && mdm_profile_fingerprint(en->arena, scep->ca,
                                       &scep->fingerprint)
               != MDM_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (mdm_profile_prepare(en->arena, &en->core) != MDM_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_enrollment_files(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_str_t     *value, *file;
    ngx_uint_t     i;
    ngx_array_t  **list;

    list = (ngx_array_t **) ((u_char *) block + cmd->offset);

    if (*list != NULL) {
        return "is duplicate";
    }

    *list = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (*list == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            return "is empty";
        }

        file = ngx_array_push(*list);
        if (file == NULL) {
            return NGX_CONF_ERROR;
        }

        *file = value[i];

        if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* sign CERTIFICATE KEY [PASSWORD_FILE] */

static char *
ngx_mdm_enrollment_sign(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_enrollment_t *en = block;

    ngx_str_t   *value, *file[3];
    ngx_uint_t   i;

    (void) cmd;

    if (en->sign.data != NULL) {
        return "is duplicate";
    }

    file[0] = &en->sign;
    file[1] = &en->sign_key;
    file[2] = &en->sign_password;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            return "is empty";
        }

        *file[i - 1] = value[i];

        if (ngx_conf_full_name(cf->cycle, file[i - 1], 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_mdm_enrollment_capabilities(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_enrollment_t *en = block;

    ngx_str_t   *value, *word;
    mdm_str_t   *capability;
    ngx_uint_t   i;

    (void) cmd;

    if (en->capabilities != NULL) {
        return "is duplicate";
    }

    en->capabilities = ngx_array_create(cf->pool, 3, sizeof(mdm_str_t));
    if (en->capabilities == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (word = ngx_mdm_enrollment_known; word->len != 0; word++) {
            if (ngx_strcmp(word->data, value[i].data) == 0) {
                break;
            }
        }

        if (word->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"capabilities\" "
                               "directive, it must be "
                               "\"per-user-connections\", \"bootstraptoken\", "
                               "\"token\" or \"off\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        capability = ngx_array_push(en->capabilities);

        if (capability == NULL
            || mdm_printf(en->arena, capability, "com.apple.mdm.%s",
                          word->data)
               != MDM_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* identity scep CA URL [keysize=] [retries=] [retry_delay=] [fingerprint=] */

static char *
ngx_mdm_enrollment_identity(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_enrollment_t *en = block;

    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    (void) cmd;

    if (en->ca_name.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "scep") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"identity\" directive, "
                           "it must be \"scep\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    en->ca_name = value[2];
    en->scep_url = value[3];
    ngx_mdm_place_set(cf, &en->identity_place);

    for (i = 4; i < cf->args->nelts; i++) {
        rv = ngx_mdm_enrollment_option(cf, en, &value[i]);

        if (rv == NULL) {
            continue;
        }

        if (rv == NGX_CONF_ERROR) {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"identity\" "
                           "directive, %s", &value[i], rv);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* NULL, or what is wrong with it */

static char *
ngx_mdm_enrollment_option(ngx_conf_t *cf, ngx_mdm_enrollment_t *en,
    ngx_str_t *value)
{
    ngx_int_t    n, from, to;
    ngx_str_t    rest;
    ngx_uint_t  *field;

    (void) cf;

    if (ngx_mdm_enrollment_prefix(value, "fingerprint=", &rest)) {

        if (en->fingerprint != NGX_CONF_UNSET_UINT) {
            return "it is there twice";
        }

        if (ngx_strcmp(rest.data, "on") == 0) {
            en->fingerprint = 1;
            return NULL;
        }

        if (ngx_strcmp(rest.data, "off") == 0) {
            en->fingerprint = 0;
            return NULL;
        }

        return "it must be \"on\" or \"off\"";
    }

    if (ngx_mdm_enrollment_prefix(value, "keysize=", &rest)) {
        field = &en->keysize;
        from = 1024;
        to = 4096;

    } else if (ngx_mdm_enrollment_prefix(value, "retries=", &rest)) {
        field = &en->retries;
        from = 0;
        to = 100;

    } else if (ngx_mdm_enrollment_prefix(value, "retry_delay=", &rest)) {
        field = &en->retry_delay;
        from = 1;
        to = 3600;

    } else {
        return "it must be \"keysize=\", \"retries=\", \"retry_delay=\" or "
               "\"fingerprint=\"";
    }

    if (*field != NGX_CONF_UNSET_UINT) {
        return "it is there twice";
    }

    n = ngx_atoi(rest.data, rest.len);

    if (n == NGX_ERROR || n < from || n > to) {
        return (field == &en->keysize)
               ? "it must be 1024, 2048 or 4096"
               : (field == &en->retries) ? "it must be a number from 0 to 100"
                                         : "it must be a number of seconds "
                                           "from 1 to 3600";
    }

    if (field == &en->keysize && n != 1024 && n != 2048 && n != 4096) {
        return "it must be 1024, 2048 or 4096";
    }

    *field = (ngx_uint_t) n;

    return NULL;
}


/* minimum_os SYSTEM VERSION [build=] [beta=] [description=] */

static char *
ngx_mdm_enrollment_minimum(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd)
{
    ngx_mdm_enrollment_t *en = block;

    mdm_str_t             *field;
    ngx_str_t             *value, *word, rest;
    ngx_uint_t             i;
    mdm_enroll_minimum_t  *m, *old;

    (void) cmd;

    if (en->minimum == NULL) {
        en->minimum = ngx_array_create(cf->pool, 2,
                                       sizeof(mdm_enroll_minimum_t));
        if (en->minimum == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (word = ngx_mdm_enrollment_systems; word->len != 0; word++) {
        if (ngx_strcmp(word->data, value[1].data) == 0) {
            break;
        }
    }

    if (word->len == 0) {
        return "must name \"iOS\", \"iPadOS\", \"macOS\", \"tvOS\", "
               "\"visionOS\" or \"watchOS\"";
    }

    if (!ngx_mdm_enrollment_version(&value[2])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid version \"%V\" in \"minimum_os\" "
                           "directive, it must be such as \"18.1\" or "
                           "\"16.1 (a)\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    old = en->minimum->elts;

    for (i = 0; i < en->minimum->nelts; i++) {
        if (mdm_str_is(&old[i].system, (char *) word->data)) {
            return "names a system twice";
        }
    }

    m = ngx_array_push(en->minimum);
    if (m == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(m, sizeof(mdm_enroll_minimum_t));

    ngx_mdm_str_copy(&m->system, word);
    ngx_mdm_str_copy(&m->version, &value[2]);

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_mdm_enrollment_prefix(&value[i], "build=", &rest)) {
            field = &m->build;

        } else if (ngx_mdm_enrollment_prefix(&value[i], "beta=", &rest)) {
            field = &m->beta;

        } else if (ngx_mdm_enrollment_prefix(&value[i], "description=",
                                             &rest))
        {
            field = &m->description;

        } else {
            field = NULL;
        }

        if (field == NULL || field->len != 0 || rest.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"minimum_os\" "
                               "directive, it must be \"build=\", \"beta=\" "
                               "or \"description=\", each once", &value[i]);
            return NGX_CONF_ERROR;
        }

        ngx_mdm_str_copy(field, &rest);

        if (!mdm_utf8_valid(field) || mdm_utf8_control(field)) {
            return "has a text that is not UTF-8, or has control characters";
        }
    }

    if (m->description.len != 0 && m->beta.len == 0) {
        return "has a \"description=\" without \"beta=\"";
    }

    return NGX_CONF_OK;
}


/* numbers with dots between them, and perhaps " (a)" */

static ngx_uint_t
ngx_mdm_enrollment_version(ngx_str_t *version)
{
    u_char      *p, *end;
    ngx_uint_t   numbers, digits;

    p = version->data;
    end = p + version->len;

    for (numbers = 0; numbers < 4; /* void */ ) {

        for (digits = 0; p < end && *p >= '0' && *p <= '9'; p++) {
            digits++;
        }

        if (digits == 0 || digits > 6) {
            return 0;
        }

        numbers++;

        if (p == end || *p != '.') {
            break;
        }

        p++;
    }

    if (p == end) {
        return 1;
    }

    return (end - p == 4 && p[0] == ' ' && p[1] == '(' && p[2] >= 'a'
            && p[2] <= 'z' && p[3] == ')');
}


static ngx_uint_t
ngx_mdm_enrollment_prefix(ngx_str_t *value, const char *prefix,
    ngx_str_t *rest)
{
    size_t  n;

    n = ngx_strlen(prefix);

    ngx_str_null(rest);

    if (value->len < n || ngx_strncmp(value->data, prefix, n) != 0) {
        return 0;
    }

    rest->data = value->data + n;
    rest->len = value->len - n;

    return 1;
}


static void
ngx_mdm_enrollment_free(void *data)
{
    ngx_mdm_enrollment_t *en = data;

    X509_free(en->core.sign);
    EVP_PKEY_free(en->core.sign_key);
    sk_X509_pop_free(en->core.sign_chain, X509_free);
    X509_STORE_free(en->core.apple);

    mdm_arena_destroy(en->arena);
}
