
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The CA, and certificates of devices.
 */


#ifndef _MDMSIM_CERT_H_INCLUDED_
#define _MDMSIM_CERT_H_INCLUDED_


#include "mdmsim_option.h"

#include <openssl/x509.h>


typedef struct sim_ca_s  sim_ca_t;


sim_ca_t *sim_ca_load(const sim_option_t *opt);
void sim_ca_free(sim_ca_t *ca);
void sim_ca_create(const sim_option_t *opt);
/* the DER of a device's certificate, always the same bytes */
void sim_cert_der(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    sim_buf_t *der);
/* both with a reference for the caller */
void sim_cert_get(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key);
void sim_cert_header(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    int rfc9440, sim_buf_t *out);
void sim_cert_sign(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const sim_option_t *opt, const sim_buf_t *body, sim_buf_t *out);
void sim_cert_write(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const char *prefix, int force);
void sim_cert_prepare(sim_ca_t *ca, const sim_fleet_t *f, int quiet);


#endif /* _MDMSIM_CERT_H_INCLUDED_ */
