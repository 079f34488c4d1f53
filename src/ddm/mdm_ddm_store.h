
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores a status report: by one script where that takes no longer than a
 * script may, else in parts.
 */


#ifndef _MDM_DDM_STORE_H_INCLUDED_
#define _MDM_DDM_STORE_H_INCLUDED_


#include "mdm_ddm_replace.h"
#include "mdm_message.h"


/* values, and about how many bytes, that one script stores */
#define MDM_DDM_STORE_VALUES  250
#define MDM_DDM_STORE_BYTES   ((size_t) 128 * 1024)


typedef struct {
    mdm_ddm_report_t          report;
    mdm_str_t                 digests;     /* arguments of ddm_status */
    mdm_str_t                 z;
    mdm_str_t                 kept;
    mdm_str_t                 client;
    mdm_str_t                 uuid;
    mdm_str_t                 body;
    mdm_str_t                 token;       /* that it is pushed by, empty: it
                                              does not say */

    /* the rest is zeroed, and its own */

    mdm_uint_t                parts;       /* 1: in parts, named */
    mdm_str_t                 rid;
    mdm_ddm_value_t          *values;      /* all, in their order */
    mdm_uint_t                nvalues;
    mdm_uint_t                from;        /* those of this call */
    mdm_uint_t                to;
    mdm_uint_t                last;        /* 1: it is the last one */
    int64_t                   told;

    mdm_ddm_replace_t        *replace;
    mdm_str_t                 cursor;      /* of what is there */
    mdm_ddm_value_t          *drops;
    mdm_uint_t                ndrops;
    mdm_uint_t                size;        /* room for drops */
    mdm_uint_t                scans;

    mdm_str_t                 rev;         /* of the watchers, */
    mdm_str_t                 watch;       /* compiled, where there is no
                                              cache */
    mdm_uint_t                tries;

    mdm_uint_t                dropped;
    mdm_str_t                 unnamed;
    mdm_uint_t                unfinished;  /* 1: see mdm_ddm_facts() */
} mdm_ddm_store_t;


/*
 * Begins; x->ctx is the mdm_message_t, and its data the store from now on.
 * Then the step: it ends with 200, or 503: the device has to send it again.
 * Both return what a step returns.
 */
mdm_int_t mdm_ddm_store_begin(mdm_exchange_t *x, mdm_ddm_store_t *s);
mdm_int_t mdm_ddm_store_step(mdm_exchange_t *x);


#endif /* _MDM_DDM_STORE_H_INCLUDED_ */
