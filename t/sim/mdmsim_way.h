
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How devices come to a profile to enroll with, and what they read in it.
 * Nothing here is shared with the module, whose profiles it is a witness of.
 */


#ifndef _MDMSIM_WAY_H_INCLUDED_
#define _MDMSIM_WAY_H_INCLUDED_


#include "mdmsim_ca.h"
#include "mdmsim_fetch.h"


/* what a device reads in its profile; each text is its own */

typedef struct {
    char                     *topic;
    char                     *server_url;
    char                     *checkin_url; /* NULL: the same */
    char                     *scep_url;
    char                     *scep_name;   /* NULL: none */
    char                     *challenge;
    char                     *fingerprint; /* hex, NULL: none */
    uint32_t                  bits;
    uint32_t                  usage;
    uint32_t                  retries;
    uint32_t                  delay;       /* seconds */
    int                       sign_message;
} sim_profile_t;


/*
 * Each device of the fleet gets its profile, and the options are those that it
 * says from then on: the SCEP server, a challenge a device, the topic, the
 * URLs.  What is wrong with it ends the program.
 */
void sim_way(sim_option_t *opt);

/* mdmsim_profile.c */

/*
 * Verify and read a profile as a device would, signed or plain; "who" is for
 * messages: one to enroll with, which may be encrypted to an identity (or
 * NULL); one of an identity alone; and that of a Profile Service.
 */
void sim_profile_read(const sim_option_t *opt, const char *who,
    const char *data, size_t len, const sim_identity_t *identity,
    sim_profile_t *p);
void sim_profile_identity(const sim_option_t *opt, const char *who,
    const char *data, size_t len, sim_profile_t *p);
void sim_profile_service(const sim_option_t *opt, const char *who,
    const char *data, size_t len, char **url, char **challenge);

/* mdmsim_way.c: a request by f, whose answer must be a profile */
void sim_way_fetch(sim_fetch_t *f, const char *who, const char *query,
    const sim_buf_t *body);

/* mdmsim_way_apple.c: the ways of devices that Apple vouches for */
void sim_way_ade(const sim_option_t *opt, const sim_device_t *d,
    const char *link, int web, sim_profile_t *p);
void sim_way_ota(const sim_option_t *opt, const sim_device_t *d,
    const char *link, sim_profile_t *p);


#endif /* _MDMSIM_WAY_H_INCLUDED_ */
