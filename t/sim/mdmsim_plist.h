
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Plists: writing them, and reading what a server sends.
 */


#ifndef _MDMSIM_PLIST_H_INCLUDED_
#define _MDMSIM_PLIST_H_INCLUDED_


#include "mdmsim_util.h"


#define SIM_MAX_UUID         1024     /* bytes of a CommandUUID */
#define SIM_MAX_QUERIES      256


typedef struct {
    uint8_t                   type;
    uint32_t                  next;        /* sibling */
    uint32_t                  first;       /* child */
    uint32_t                  last;
    uint32_t                  count;       /* of children */
    size_t                    off;         /* of the content in "text" */
    size_t                    len;
    int64_t                   number;
    double                    real;
} sim_node_t;


typedef struct {
    sim_buf_t                *out;
    sim_buf_t                 text;
    sim_node_t               *nodes;
    uint32_t                  nnodes;
    uint32_t                  size;
    uint32_t                  depth;
    uint32_t                  stack[16];
    int                       binary;
} sim_plist_t;


typedef struct {
    sim_buf_t                 uuid;        /* NUL after it, not counted */
    sim_buf_t                 type;
    sim_buf_t                 data;        /* decoded */
    sim_buf_t                 queries;     /* each ended by NUL */
    uint32_t                  nqueries;
} sim_command_t;


/* writing */

void sim_plist_begin(sim_plist_t *w, sim_buf_t *out, int binary);
void sim_plist_finish(sim_plist_t *w);
void sim_plist_free(sim_plist_t *w);
void sim_plist_dict(sim_plist_t *w);
void sim_plist_array(sim_plist_t *w);
void sim_plist_end(sim_plist_t *w);
void sim_plist_key(sim_plist_t *w, const char *key);
void sim_plist_string(sim_plist_t *w, const char *s, size_t len);
void sim_plist_data(sim_plist_t *w, const void *data, size_t len);
void sim_plist_int(sim_plist_t *w, int64_t n);
void sim_plist_real(sim_plist_t *w, double n);
void sim_plist_bool(sim_plist_t *w, int n);
void sim_plist_date(sim_plist_t *w, int64_t unix_time);
void sim_plist_kstr(sim_plist_t *w, const char *key, const char *value);

/* reading */

int sim_command_scan(const char *data, size_t len, sim_command_t *cmd);
/* the value of a top-level data key of an XML plist; SIM_OK or SIM_ERROR */
int sim_data_scan(const char *data, size_t len, const char *key,
    sim_buf_t *value);
void sim_command_free(sim_command_t *cmd);
/* the parts that the binary reader shares */
int sim_scan_keep(sim_buf_t *dst, const sim_buf_t *value);
int sim_scan_query(sim_command_t *cmd, const sim_buf_t *value);
int sim_scan_utf8(sim_buf_t *text, uint32_t c);
/* adds what base64 text stands for; SIM_OK or SIM_ERROR */
int sim_scan_base64(sim_buf_t *b, const char *s, size_t len);

/* mdmsim_scan_bin.c */

int sim_scan_binary(const char *data, size_t len, sim_command_t *cmd);


#endif /* _MDMSIM_PLIST_H_INCLUDED_ */
