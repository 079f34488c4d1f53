
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads blocks of directives by a table of them, as mdm_store { } is.
 */


#include "ngx_mdm_block.h"


/* what ngx_mdm_block_directive() is given */

typedef struct {
    const char               *kind;
    ngx_mdm_block_command_t  *commands;
    void                     *data;
} ngx_mdm_block_t;


static char *ngx_mdm_block_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_mdm_block_time(ngx_conf_t *cf, ngx_uint_t is_sec,
    ngx_uint_t *value);


char *
ngx_mdm_block_parse(ngx_conf_t *cf, const char *kind,
    ngx_mdm_block_command_t *commands, void *data)
{
    char             *rv;
    ngx_conf_t        save;
    ngx_mdm_block_t  *block;

    block = ngx_palloc(cf->temp_pool, sizeof(ngx_mdm_block_t));
    if (block == NULL) {
        return NGX_CONF_ERROR;
    }

    block->kind = kind;
    block->commands = commands;
    block->data = data;

    save = *cf;
    cf->handler = ngx_mdm_block_directive;
    cf->handler_conf = (void *) block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_mdm_block_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_mdm_block_t *block = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                n;
    ngx_mdm_block_command_t  *cmd;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    if (n == 1 && ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    for (cmd = block->commands; cmd->name.len != 0; cmd++) {

        if (value[0].len != cmd->name.len
            || ngx_strcmp(value[0].data, cmd->name.data) != 0)
        {
            continue;
        }

        if (n < cmd->nmin || n > cmd->nmax) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" "
                               "directive", &value[0]);
            return NGX_CONF_ERROR;
        }

        rv = cmd->set(cf, block->data, cmd);

        if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" directive %s", &value[0], rv);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in \"%s\"", &value[0],
                       block->kind);

    return NGX_CONF_ERROR;
}


char *
ngx_mdm_block_check_name(ngx_conf_t *cf, const char *kind, ngx_str_t *name)
{
    u_char  ch;
    size_t  i;

    if (name->len == 0) {
        return "has no name";
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'
            || ch == '.')
        {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\": the name may have letters, digits, "
                           "\"-\", \"_\" and \".\" only", kind, name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_mdm_block_text(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_str_t  *args, *value;

    value = (ngx_str_t *) ((u_char *) block + cmd->offset);

    if (value->data != NULL) {
        return "is duplicate";
    }

    args = cf->args->elts;

    if (args[1].len == 0) {
        return "is empty";
    }

    *value = args[1];

    return NGX_CONF_OK;
}


char *
ngx_mdm_block_flag(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_str_t   *args;
    ngx_uint_t  *value;

    value = (ngx_uint_t *) ((u_char *) block + cmd->offset);

    if (*value != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    args = cf->args->elts;

    if (ngx_strcasecmp(args[1].data, (u_char *) "off") == 0) {
        *value = 0;
        return NGX_CONF_OK;
    }

    if (ngx_strcasecmp(args[1].data, (u_char *) "on") == 0) {
        *value = 1;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, it must be "
                       "\"on\" or \"off\"", &args[1], &args[0]);

    return NGX_CONF_ERROR;
}


char *
ngx_mdm_block_number(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    ngx_int_t    n;
    ngx_str_t   *args;
    ngx_uint_t  *value;

    value = (ngx_uint_t *) ((u_char *) block + cmd->offset);

    if (*value != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    args = cf->args->elts;

    n = ngx_atoi(args[1].data, args[1].len);

    if (n == NGX_ERROR || (ngx_uint_t) n < cmd->min
        || (ngx_uint_t) n > cmd->max)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, it "
                           "must be a number from %ui to %ui",
                           &args[1], &args[0], cmd->min, cmd->max);
        return NGX_CONF_ERROR;
    }

    *value = (ngx_uint_t) n;

    return NGX_CONF_OK;
}


/* a time above 0 of argument 1 in *value, in seconds or milliseconds */

static char *
ngx_mdm_block_time(ngx_conf_t *cf, ngx_uint_t is_sec, ngx_uint_t *value)
{
    ngx_int_t   n;
    ngx_str_t  *args;

    if (*value != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    args = cf->args->elts;

    n = ngx_parse_time(&args[1], is_sec);

    if (n == NGX_ERROR) {
        return "has an invalid value";
    }

    if (n == 0) {
        return "must not be 0";
    }

    if (n > NGX_MAX_INT32_VALUE) {
        return "has a value that is too large";
    }

    *value = (ngx_uint_t) n;

    return NGX_CONF_OK;
}


char *
ngx_mdm_block_msec(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    /* ngx_msec_t is as wide as ngx_uint_t, and as unset */

    return ngx_mdm_block_time(cf, 0,
                              (ngx_uint_t *) ((u_char *) block + cmd->offset));
}


char *
ngx_mdm_block_sec(ngx_conf_t *cf, void *block, ngx_mdm_block_command_t *cmd)
{
    return ngx_mdm_block_time(cf, 1,
                              (ngx_uint_t *) ((u_char *) block + cmd->offset));
}
