
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The little of nginx that ngx_mdm_redis_resp.c and ngx_mdm_redis_out.c call.
 */


#include <ngx_config.h>
#include <ngx_core.h>


static ngx_log_t    fuzz_log;
static ngx_cycle_t  fuzz_cycle = { .log = &fuzz_log };

volatile ngx_cycle_t  *ngx_cycle = &fuzz_cycle;


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    (void) log;

    return malloc(size);
}


/* "%uz", a size, is all that is asked for */

u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    int      n;
    va_list  args;

    if (strcmp(fmt, "%uz") != 0) {
        abort();
    }

    va_start(args, fmt);
    n = vsnprintf((char *) buf, NGX_SIZE_T_LEN + 1, "%zu", args);
    va_end(args);

    return buf + n;
}
