
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices and their users: all follows from the seed and the number.
 */


#ifndef _MDMSIM_DEVICE_H_INCLUDED_
#define _MDMSIM_DEVICE_H_INCLUDED_


#include "mdmsim_util.h"


#define SIM_MAX_DEVICES      10000000
#define SIM_MAX_USERS        100


typedef enum {
    SIM_IPHONE = 0,
    SIM_IPAD,
    SIM_MAC,
    SIM_TV,
    SIM_SHARED,            /* Shared iPad, with users */
    SIM_BYOD,              /* User Enrollment, iPhone */
    SIM_MACBYOD,           /* User Enrollment, Mac, with users */
    SIM_KINDS
} sim_kind_e;


typedef struct {
    uint64_t                  seed;
    uint32_t                  first;       /* number of the first device */
    uint32_t                  count;
    uint32_t                  users;       /* a device whose kind has some */
    uint32_t                  weight[SIM_KINDS];
    uint32_t                  weights;     /* their sum */
    char                      topic[128];
} sim_fleet_t;


/* what is known of a device; all follows from the seed and its number */

typedef struct {
    uint64_t                  hash;
    sim_kind_e                kind;
    uint32_t                  number;
    const char               *product;     /* "iPhone15,2" */
    const char               *model_name;  /* "iPhone" */
    const char               *os;
    const char               *build;
    char                      id[40];      /* UDID, or EnrollmentID */
    char                      serial[16];
    char                      model[16];
    char                      name[64];
    char                      imei[20];
} sim_device_t;


typedef struct {
    char                      id[40];      /* UserID or EnrollmentUserID */
    char                      short_name[48];
    char                      long_name[48];
    char                      enrollment[128];   /* the id in the API */
} sim_user_t;


int sim_kinds_parse(sim_fleet_t *f, const char *text);
void sim_device(const sim_fleet_t *f, uint32_t number, sim_device_t *d);
/* users of the device: 0, or fleet->users */
uint32_t sim_device_users(const sim_fleet_t *f, uint32_t number);
/* user is 1..users */
void sim_device_user(const sim_fleet_t *f, const sim_device_t *d,
    uint32_t user, sim_user_t *u);


#endif /* _MDMSIM_DEVICE_H_INCLUDED_ */
