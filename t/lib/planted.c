
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A module with planted faults.  t/00_harness.t loads it into the sanitizer
 * build to see that each of them is reported.
 */


#include <ngx_config.h>
#include <ngx_core.h>


static char *planted(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t planted_init_process(ngx_cycle_t *cycle);


static volatile ngx_uint_t  planted_fault;
static void *volatile       planted_memory;


static ngx_command_t  planted_commands[] = {

    { ngx_string("planted"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      planted,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  planted_module_ctx = {
    ngx_string("planted"),
    NULL,
    NULL
};


ngx_module_t  planted_module = {
    NGX_MODULE_V1,
    &planted_module_ctx,                   /* module context */
    planted_commands,                      /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    planted_init_process,                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_module_t *ngx_modules[] = {
    &planted_module,
    NULL
};


char *ngx_module_names[] = {
    "planted_module",
    NULL
};


char *ngx_module_order[] = {
    NULL
};


static char *
planted(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;
    planted_fault = value[1].data[0];

    return NGX_CONF_OK;
}


static ngx_int_t
planted_init_process(ngx_cycle_t *cycle)
{
    u_char      *p;
    ngx_pool_t  *pool;

    switch (planted_fault) {

    case 'l':  /* leak */

        planted_memory = malloc(1234);
        planted_memory = NULL;
        break;

    case 'p':  /* past the end of what a pool gave */

        pool = ngx_create_pool(1024, cycle->log);
        p = ngx_pnalloc(pool, 10);
        p[10 + planted_fault - 'p'] = 1;
        ngx_destroy_pool(pool);
        break;

    case 'u':  /* undefined */

        planted_fault = 1 << (planted_fault - 'u' + 32);
        break;
    }

    return NGX_OK;
}
