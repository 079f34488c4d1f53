
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Blocks of directives that are not nginx's: mdm_store { }.  nginx's parser
 * reads them, a table says what may stand in them.
 */


#ifndef _NGX_MDM_BLOCK_H_INCLUDED_
#define _NGX_MDM_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_mdm_block_command_s  ngx_mdm_block_command_t;

/*
 * A directive of a block.  A setter is given what the block fills in, and
 * returns NGX_CONF_OK, NGX_CONF_ERROR with the log told, or a text that
 * follows the name of the directive in the log, such as "is duplicate".
 */

struct ngx_mdm_block_command_s {
    ngx_str_t                 name;
    ngx_uint_t                nmin;        /* arguments */
    ngx_uint_t                nmax;
    char                   *(*set)(ngx_conf_t *cf, void *block,
                                   ngx_mdm_block_command_t *cmd);
    size_t                    offset;      /* in the block, of what a setter
                                              of this file sets */
    ngx_uint_t                min;         /* of a number */
    ngx_uint_t                max;
};

#define ngx_mdm_block_null_command  { ngx_null_string, 0, 0, NULL, 0, 0, 0 }


/*
 * Reads the block whose "{" was read last.  "kind" is the directive that it
 * belongs to, for messages; "commands" ends with ngx_mdm_block_null_command;
 * "include" is always known.  What a setter needs beside "block" is in it.
 * NGX_CONF_OK, or NGX_CONF_ERROR with the log told.
 */
char *ngx_mdm_block_parse(ngx_conf_t *cf, const char *kind,
    ngx_mdm_block_command_t *commands, void *block);

/*
 * Is this the name of a block: letters, digits, "-", "_", "."?  "kind" names
 * the block's sort in messages ("mdm store").  The same results as a setter's.
 */
char *ngx_mdm_block_check_name(ngx_conf_t *cf, const char *kind,
    ngx_str_t *name);


/* setters */

/* ngx_str_t, { 0, NULL } before: a text that is not empty */
char *ngx_mdm_block_text(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/* ngx_uint_t, NGX_CONF_UNSET_UINT before: "on" or "off" */
char *ngx_mdm_block_flag(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/* ngx_uint_t, NGX_CONF_UNSET_UINT before: from cmd->min to cmd->max */
char *ngx_mdm_block_number(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/* ngx_msec_t, NGX_CONF_UNSET_MSEC before: a time above 0 */
char *ngx_mdm_block_msec(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/* ngx_uint_t, NGX_CONF_UNSET_UINT before: a time above 0 in seconds */
char *ngx_mdm_block_sec(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);


#endif /* _NGX_MDM_BLOCK_H_INCLUDED_ */
