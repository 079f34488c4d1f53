
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What devices say: check-in messages and results.
 */


#ifndef _MDMSIM_MESSAGE_H_INCLUDED_
#define _MDMSIM_MESSAGE_H_INCLUDED_


#include "mdmsim_option.h"
#include "mdmsim_plist.h"


typedef enum {
    SIM_ACKNOWLEDGED = 0,
    SIM_COMMAND_ERROR,
    SIM_FORMAT_ERROR,
    SIM_NOTNOW,
    SIM_ANSWERS
} sim_answer_e;


#define SIM_TOKEN  32


/* the push token and PushMagic, of 36 letters, of a channel */
uint64_t sim_push_token(const sim_fleet_t *f, uint32_t number, uint32_t user,
    uint8_t *token, char *magic);
void sim_message_authenticate(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d);
void sim_message_token(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user);
void sim_message_bootstrap(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, int set);
void sim_message_checkout(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user);
void sim_message_idle(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user);
void sim_message_result(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user, sim_answer_e answer,
    const sim_command_t *cmd);
void sim_bootstrap_token(const sim_fleet_t *f, const sim_device_t *d,
    uint8_t *token, size_t len);
const char *sim_answer_name(sim_answer_e answer);

/* "data" NULL: none */
void sim_message_ddm(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user, const char *endpoint,
    const sim_buf_t *data);

/* a list of applications of about that size */
void sim_inventory(sim_plist_t *w, const sim_device_t *d, uint64_t size);
/* prints what a result takes to be compressed */
void sim_inventory_report(const sim_buf_t *result);

void sim_answer_keys(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, const sim_command_t *cmd);


#endif /* _MDMSIM_MESSAGE_H_INCLUDED_ */
