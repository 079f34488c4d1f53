
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Requests to the admin API and a look into their JSON answers.
 */


#ifndef _MDM_UNIT_API_H_INCLUDED_
#define _MDM_UNIT_API_H_INCLUDED_


#include <jansson.h>

#include "mdm_exchange.h"


#define MDM_UNIT_NOW          1700000000


/* that of the settings below */
extern mdm_store_settings_t  mdm_unit_store;

/* settings that tests start from, with 4 partitions */
mdm_settings_t mdm_unit_api_settings(void);

/*
 * An exchange with its step found: "uri" may hold a query.  The caller
 * destroys x->arena.  "body" must live as long as the exchange.
 */
mdm_exchange_t *mdm_unit_api_request(const mdm_settings_t *settings,
    mdm_uint_t method, const char *uri, const char *type, const void *body,
    size_t len);

/* a command plist of the arena */
char *mdm_unit_api_command(mdm_arena_t *arena, const char *uuid,
    const char *request_type);

/* the answer, which must be application/json; freed with the exchange */
json_t *mdm_unit_api_json(mdm_exchange_t *x);

/*
 * A value by its place, as "status/ID/command_error" or "commands/0"; NULL
 * if there is none.  The second gives a string's text, "" if it is none.
 */
json_t *mdm_unit_api_at(json_t *root, const char *place);
const char *mdm_unit_api_text(mdm_exchange_t *x, const char *place);


#endif /* _MDM_UNIT_API_H_INCLUDED_ */
