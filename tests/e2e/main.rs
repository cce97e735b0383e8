//! The whole chain, end to end: real processes, a real broker, real files, on loopback.

mod bad_days;
mod balancer;
mod chain;
mod cluster;
mod demo;
mod demo_meddled;
mod demo_prompt;
mod golden_month;
mod kills;
mod mosquitto;
mod moving;
mod new_shop;
mod office;
mod past_sales;
mod prove;
mod put_back;
mod refusals;
mod replicas;
mod rmqtt;
mod rush;
mod steps;
