
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reading JSON.
 */


#ifndef _MDMSIM_JSON_H_INCLUDED_
#define _MDMSIM_JSON_H_INCLUDED_


#include "mdmsim_util.h"


typedef enum {
    SIM_J_NULL = 0,
    SIM_J_FALSE,
    SIM_J_TRUE,
    SIM_J_NUMBER,
    SIM_J_STRING,
    SIM_J_ARRAY,
    SIM_J_OBJECT
} sim_json_e;


typedef struct {
    sim_json_e                type;
    uint32_t                  first;       /* child, 0: none */
    uint32_t                  next;        /* sibling */
    uint32_t                  count;       /* of children */
    size_t                    key;         /* offset in "text" */
    size_t                    key_len;
    size_t                    off;         /* of a string in "text" */
    size_t                    len;
    double                    number;
} sim_jnode_t;


typedef struct {
    sim_jnode_t              *nodes;
    uint32_t                  nnodes;
    uint32_t                  size;
    uint32_t                  root;
    sim_buf_t                 text;
} sim_json_t;


int sim_json_parse(sim_json_t *j, const char *data, size_t len);
void sim_json_free(sim_json_t *j);
/* a node; 0: there is none, which all take for an answer */
uint32_t sim_json_get(const sim_json_t *j, uint32_t node, const char *key);
/* NULL: it is no string */
const char *sim_json_string(const sim_json_t *j, uint32_t node);
void sim_json_quote(sim_buf_t *b, const char *s);


#endif /* _MDMSIM_JSON_H_INCLUDED_ */
