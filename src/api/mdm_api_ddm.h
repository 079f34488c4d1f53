
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the API's calls about declarations share.  These answer as those of
 * mdm_api_util.h.
 */


#ifndef _MDM_API_DDM_H_INCLUDED_
#define _MDM_API_DDM_H_INCLUDED_


#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_schema.h"


/* octets of a set's name */
#define MDM_API_SET           128


/* x->param[i], a name of at most "max" octets, in key form */
mdm_int_t mdm_api_name(mdm_exchange_t *x, mdm_uint_t i, size_t max,
    mdm_str_t *key);

/* the same for an argument of the query, which has to be there */
mdm_int_t mdm_api_arg_name(mdm_exchange_t *x, const char *name, size_t max,
    mdm_str_t *key);

/* refuses a name that would break a line; MDM_OK or MDM_DONE */
mdm_int_t mdm_api_name_plain(mdm_exchange_t *x, const char *what,
    const mdm_str_t *raw);

/* a name in key form as a message shows it: decoded, made fit for a log line */
const char *mdm_api_shown(mdm_exchange_t *x, const mdm_str_t *key,
    mdm_quote_t *quote);

/*
 * Starts a round that changes the tenant's declarations: the script on
 * "mdm:{tenant/ddm}" is call 0, the entry in the list of tenants with work
 * call 1.  Fills in what every change begins with, which ends with "notify".
 * MDM_OK, with *args; MDM_DONE; MDM_ERROR.
 */
mdm_int_t mdm_api_change(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_str_t **args);

/* the same for a script that reads: call 0 alone, all args the caller's */
mdm_int_t mdm_api_ddm_read(mdm_exchange_t *x, const mdm_script_t *script,
    mdm_str_t **args);

/* 204 and a job if it has changed something, else 304 */
mdm_int_t mdm_api_changed(mdm_exchange_t *x, mdm_uint_t changed);

/*
 * The whole step of a list of names: "what" as ddm_list takes it; of what it
 * is a list, the name in the path, has "max" octets at most (0: of the
 * tenant).  What a step returns.
 */
mdm_int_t mdm_api_ddm_list(mdm_exchange_t *x, const char *what, size_t max);


#endif /* _MDM_API_DDM_H_INCLUDED_ */
